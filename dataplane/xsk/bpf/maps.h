/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The steering maps: keys and values (as in src/steering/maps/keys.rs), and how many entries each may have.
 */
#ifndef HEADGATE_MAPS_H
#define HEADGATE_MAPS_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#define FAMILY_V4 4
#define FAMILY_V6 6

/* What an address is known for. */
#define ADDRESS_VIP 1
#define ADDRESS_NAT_SERVER 2
#define ADDRESS_LOCAL 4
#define ADDRESS_TUNNEL_SERVER 8

/* An IPv4 address is in the first four bytes, the others are zero. */
struct address_key {
	__u8 address[16];
	__u8 family;
	__u8 zero[3];
};

/* Port in network byte order. */
struct endpoint_key {
	__u8 address[16];
	__be16 port;
	__u8 family;
	__u8 protocol;
};

#define MAX_RANGES 16

/* Both ends included, host byte order. */
struct port_range {
	__u16 low;
	__u16 high;
};

/* What ports of an address and protocol belong to services, beside the exact ones. */
struct wildcard {
	__u16 any;
	__u16 count;
	struct port_range ranges[MAX_RANGES];
};

#define QUEUES_PER_DEVICE 128
#define MAX_DEVICES 64

/* A link-layer address, padded with zeroes. */
struct mac_key {
	union {
		__u8 mac[6];
		__u64 number;
	};
};

struct device {
	struct mac_key mac;
	/* Index of queue 0 in the socket map. */
	__u32 base;
	__u32 zero;
};

/* Indexes of the per-CPU counters. */
#define COUNT_PASSED 0
#define COUNT_TAKEN 1
#define COUNT_UNSERVED 2
#define COUNTERS 3

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, MAX_DEVICES * QUEUES_PER_DEVICE);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_DEVICES);
	__type(key, __u32);
	__type(value, struct device);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct mac_key);
	__type(value, __u32);
} macs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address_key);
	__type(value, __u32);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct endpoint_key);
	__type(value, __u32);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct endpoint_key);
	__type(value, struct wildcard);
} wildcards SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct endpoint_key);
	__type(value, __u32);
} nat_servers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

#endif
