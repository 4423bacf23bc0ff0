/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Steering: which packets go to the workers, and which to the kernel.
 *
 * A packet is taken when it is
 *   - TCP, UDP or SCTP to a service (address, protocol, port),
 *   - TCP, UDP or SCTP from a NAT server (address, protocol, port), and not to an address of this host,
 *   - a fragment to a service address, or from a NAT server and not to an address of this host: only the first one has ports,
 *     so all of them are put together again by a worker,
 *   - an ICMP error about one of the above, or about a tunnel packet to a server,
 *   - or cannot be read to its ports although it goes to a service address: a worker drops and counts it.
 * Everything else passes to the kernel, above all what is not for one of our link-layer addresses: this program runs before the
 * device filters them. Taken packets of a queue that no worker serves are dropped, since the kernel would answer them with resets.
 *
 * Ethernet and IP headers are read in place; what follows them at a variable offset is copied, which spares the verifier.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define VLAN_TAGS 2
#define EXTENSION_HEADERS 6

#define IPV4_FRAGMENT 0x3fff /* offset and "more fragments" */

#define ICMP4_UNREACHABLE 3
#define ICMP4_SOURCE_QUENCH 4
#define ICMP4_TIME_EXCEEDED 11
#define ICMP6_FIRST_ERROR 1
#define ICMP6_LAST_ERROR 4
#define ICMP_HEADER 8

enum decision { PASS, TAKE };

struct vlan_tag {
	__be16 id;
	__be16 type;
};

struct ports {
	__be16 source;
	__be16 destination;
};

/* What is known of an IP packet, the outer or one quoted in an ICMP error. */
struct packet {
	struct address_key source;
	struct address_key destination;
	/* Offset of what follows the IP headers. */
	__u32 payload;
	__u8 protocol;
	__u8 fragment;
	/* More extension headers than are looked at, or cut short. */
	__u8 unreadable;
};

static __always_inline void count(__u32 index)
{
	__u64 *counter = bpf_map_lookup_elem(&counters, &index);

	if (counter)
		*counter += 1;
}

static __always_inline __u32 known_for(const struct address_key *address)
{
	__u32 *flags = bpf_map_lookup_elem(&addresses, address);

	return flags ? *flags : 0;
}

static __always_inline int has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static __always_inline struct endpoint_key endpoint(const struct address_key *address, __u8 protocol, __be16 port)
{
	struct endpoint_key key = { .port = port, .family = address->family, .protocol = protocol };

	__builtin_memcpy(key.address, address->address, sizeof(key.address));
	return key;
}

static __always_inline int is_service(const struct address_key *address, __u8 protocol, __be16 port)
{
	struct endpoint_key key = endpoint(address, protocol, port);
	struct wildcard *wildcard;
	__u16 number = bpf_ntohs(port);

	if (bpf_map_lookup_elem(&services, &key))
		return 1;
	key.port = 0;
	wildcard = bpf_map_lookup_elem(&wildcards, &key);
	if (!wildcard)
		return 0;
	if (wildcard->any)
		return 1;
	for (int i = 0; i < MAX_RANGES; i++) {
		if (i >= wildcard->count)
			break;
		if (number >= wildcard->ranges[i].low && number <= wildcard->ranges[i].high)
			return 1;
	}
	return 0;
}

static __always_inline int is_nat_server(const struct address_key *address, __u8 protocol, __be16 port)
{
	struct endpoint_key key = endpoint(address, protocol, port);

	if (bpf_map_lookup_elem(&nat_servers, &key))
		return 1;
	key.port = 0;
	return bpf_map_lookup_elem(&nat_servers, &key) != 0;
}

/* Walks the extension headers from packet->payload on. */
static __noinline int skip_extensions(struct xdp_md *ctx, struct packet *packet)
{
	struct {
		__u8 next;
		__u8 length;
	} header;

	if (!packet)
		return 0;
	for (int i = 0; i < EXTENSION_HEADERS; i++) {
		switch (packet->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_AH:
			if (bpf_xdp_load_bytes(ctx, packet->payload, &header, sizeof(header)) < 0) {
				packet->unreadable = 1;
				return 0;
			}
			packet->payload += packet->protocol == IPPROTO_AH ? (header.length + 2) * 4 : (header.length + 1) * 8;
			packet->protocol = header.next;
			break;
		case IPPROTO_FRAGMENT:
			packet->fragment = 1;
			return 0;
		default:
			return 0;
		}
	}
	switch (packet->protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
		packet->unreadable = 1;
		break;
	case IPPROTO_FRAGMENT:
		packet->fragment = 1;
		break;
	}
	return 0;
}

static __always_inline int read_ipv4(const struct iphdr *ip, __u32 offset, struct packet *packet)
{
	if (ip->version != 4 || ip->ihl < 5)
		return -1;
	packet->source.family = FAMILY_V4;
	packet->destination.family = FAMILY_V4;
	__builtin_memcpy(packet->source.address, &ip->saddr, 4);
	__builtin_memcpy(packet->destination.address, &ip->daddr, 4);
	packet->protocol = ip->protocol;
	packet->fragment = (ip->frag_off & bpf_htons(IPV4_FRAGMENT)) != 0;
	packet->payload = offset + ip->ihl * 4;
	return 0;
}

static __always_inline int read_ipv6(const struct ipv6hdr *ip, __u32 offset, struct packet *packet)
{
	if (ip->version != 6)
		return -1;
	packet->source.family = FAMILY_V6;
	packet->destination.family = FAMILY_V6;
	__builtin_memcpy(packet->source.address, &ip->saddr, 16);
	__builtin_memcpy(packet->destination.address, &ip->daddr, 16);
	packet->protocol = ip->nexthdr;
	packet->payload = offset + sizeof(*ip);
	return 0;
}

/* The packet quoted in an ICMP error, as far as it is quoted. */
static __always_inline int read_quoted(struct xdp_md *ctx, __u8 family, __u32 offset, struct packet *quoted)
{
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
	} ip;

	if (family == FAMILY_V4) {
		if (bpf_xdp_load_bytes(ctx, offset, &ip.v4, sizeof(ip.v4)) < 0)
			return -1;
		return read_ipv4(&ip.v4, offset, quoted);
	}
	if (bpf_xdp_load_bytes(ctx, offset, &ip.v6, sizeof(ip.v6)) < 0)
		return -1;
	if (read_ipv6(&ip.v6, offset, quoted) < 0)
		return -1;
	skip_extensions(ctx, quoted);
	return 0;
}

/* An ICMP error: whose packet does it speak of? */
static __noinline int decide_icmp_error(struct xdp_md *ctx, struct packet *packet)
{
	struct packet quoted = {};
	struct ports ports;
	__u32 from, to, outer;

	if (!packet)
		return PASS;
	if (read_quoted(ctx, packet->destination.family, packet->payload + ICMP_HEADER, &quoted) < 0)
		return PASS;
	from = known_for(&quoted.source);
	to = known_for(&quoted.destination);
	outer = known_for(&packet->destination);
	if (to & ADDRESS_TUNNEL_SERVER) {
		if (quoted.protocol == IPPROTO_IPIP || quoted.protocol == IPPROTO_IPV6 || quoted.protocol == IPPROTO_GRE ||
		    quoted.protocol == IPPROTO_UDP)
			return TAKE;
	}
	if (!((from & ADDRESS_VIP) || (to & ADDRESS_NAT_SERVER)))
		return PASS;
	/* A quoted fragment may be one without ports; fragments are a matter of the addresses alone, here as elsewhere. */
	if (quoted.fragment) {
		if ((from & ADDRESS_VIP) && (outer & ADDRESS_VIP))
			return TAKE;
		return (to & ADDRESS_NAT_SERVER) && !(outer & ADDRESS_LOCAL) ? TAKE : PASS;
	}
	if (!has_ports(quoted.protocol) || bpf_xdp_load_bytes(ctx, quoted.payload, &ports, sizeof(ports)) < 0)
		return PASS;
	/* The client side: a reply of the service did not reach the client. */
	if ((from & ADDRESS_VIP) && (outer & ADDRESS_VIP) &&
	    is_service(&quoted.source, quoted.protocol, ports.source))
		return TAKE;
	/* The server side: a request did not reach the server. What this host itself sent there is the kernel's. */
	if ((to & ADDRESS_NAT_SERVER) && !(outer & ADDRESS_LOCAL) &&
	    is_nat_server(&quoted.destination, quoted.protocol, ports.destination))
		return TAKE;
	return PASS;
}

static __always_inline int is_icmp_error(struct xdp_md *ctx, const struct packet *packet)
{
	__u8 type;

	if (packet->destination.family == FAMILY_V4) {
		if (packet->protocol != IPPROTO_ICMP || bpf_xdp_load_bytes(ctx, packet->payload, &type, 1) < 0)
			return 0;
		return type == ICMP4_UNREACHABLE || type == ICMP4_SOURCE_QUENCH || type == ICMP4_TIME_EXCEEDED;
	}
	if (packet->protocol != IPPROTO_ICMPV6 || bpf_xdp_load_bytes(ctx, packet->payload, &type, 1) < 0)
		return 0;
	return type >= ICMP6_FIRST_ERROR && type <= ICMP6_LAST_ERROR;
}

static __always_inline int decide(struct xdp_md *ctx, struct packet *packet)
{
	__u32 from, to;
	struct ports ports;

	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		if (!packet->fragment && is_icmp_error(ctx, packet))
			return decide_icmp_error(ctx, packet);
	}
	to = known_for(&packet->destination);
	from = known_for(&packet->source);
	if (!((to & ADDRESS_VIP) || (from & ADDRESS_NAT_SERVER)))
		return PASS;
	if (packet->fragment) {
		if (to & ADDRESS_VIP)
			return TAKE;
		return to & ADDRESS_LOCAL ? PASS : TAKE;
	}
	if (packet->unreadable)
		return to & ADDRESS_VIP ? TAKE : PASS;
	if (!has_ports(packet->protocol))
		return PASS;
	if (bpf_xdp_load_bytes(ctx, packet->payload, &ports, sizeof(ports)) < 0)
		return to & ADDRESS_VIP ? TAKE : PASS;
	if ((to & ADDRESS_VIP) && is_service(&packet->destination, packet->protocol, ports.destination))
		return TAKE;
	if ((from & ADDRESS_NAT_SERVER) && !(to & ADDRESS_LOCAL) &&
	    is_nat_server(&packet->source, packet->protocol, ports.source))
		return TAKE;
	return PASS;
}

static __always_inline int is_our_mac(const __u8 *mac, const struct device *device)
{
	struct mac_key key = { .number = 0 };

	__builtin_memcpy(key.mac, mac, sizeof(key.mac));
	if (key.number == device->mac.number)
		return 1;
	return bpf_map_lookup_elem(&macs, &key) != 0;
}

SEC("xdp")
int headgate_steer(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct packet packet = {};
	struct device *device;
	__u32 ifindex = ctx->ingress_ifindex;
	__u32 offset = sizeof(*ethernet);
	__be16 type;
	int verdict;

	if (data + sizeof(*ethernet) > data_end)
		goto pass;
	type = ethernet->h_proto;
#pragma unroll
	for (int i = 0; i < VLAN_TAGS; i++) {
		struct vlan_tag *tag = data + offset;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > data_end)
			goto pass;
		type = tag->type;
		offset += sizeof(*tag);
	}
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + offset;

		if ((void *)(ip + 1) > data_end || read_ipv4(ip, offset, &packet) < 0)
			goto pass;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data + offset;

		if ((void *)(ip + 1) > data_end || read_ipv6(ip, offset, &packet) < 0)
			goto pass;
		skip_extensions(ctx, &packet);
	} else {
		goto pass;
	}
	if (decide(ctx, &packet) == PASS)
		goto pass;
	device = bpf_map_lookup_elem(&devices, &ifindex);
	if (!device)
		goto pass;
	/* Helpers were called since, so the packet is looked at afresh. */
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	ethernet = data;
	if (data + sizeof(*ethernet) > data_end || !is_our_mac(ethernet->h_dest, device))
		goto pass;
	if (ctx->rx_queue_index >= QUEUES_PER_DEVICE)
		verdict = XDP_DROP;
	else
		verdict = bpf_redirect_map(&sockets, device->base + ctx->rx_queue_index, XDP_DROP);
	count(verdict == XDP_REDIRECT ? COUNT_TAKEN : COUNT_UNSERVED);
	return verdict;
pass:
	count(COUNT_PASSED);
	return XDP_PASS;
}

/* Some kernel functions ask for a licence compatible with the GPL, which MIT is. */
char _license[] SEC("license") = "Dual MIT/GPL";
