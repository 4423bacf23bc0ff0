/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A generator of UDP packets for benchmarks, run by BPF_PROG_TEST_RUN with live frames: each run writes a whole frame, with the
 * source port of the next flow, and sends it out of the device. Pages come back as their receiver left them, so nothing is kept.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define WORDS 8
#define SOURCE_PORT 34
#define CHECKSUM 40
#define FIRST_PORT 1024

/* A frame whose source port is 0 and whose checksum is right. */
volatile const __u64 template[WORDS];
volatile const __u16 checksum;
volatile const __u32 flows = 1;

static __u32 next;

SEC("xdp")
int headgate_generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u64 *words = data;
	__u32 flow = next, sum;
	__u16 port = FIRST_PORT + flow;

	if (data + WORDS * sizeof(*words) > end)
		return XDP_ABORTED;
	for (int i = 0; i < WORDS; i++)
		words[i] = template[i];
	next = flow + 1 < flows ? flow + 1 : 0;
	sum = (__u16)~checksum + port;
	sum = (__u16)~((sum & 0xffff) + (sum >> 16));
	*(__u16 *)(data + SOURCE_PORT) = bpf_htons(port);
	*(__u16 *)(data + CHECKSUM) = bpf_htons(sum ? sum : 0xffff);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
