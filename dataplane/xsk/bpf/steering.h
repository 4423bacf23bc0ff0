/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Keys, values and constants of the steering maps. src/steering/maps.rs holds the same structures.
 */
#ifndef HEADGATE_STEERING_H
#define HEADGATE_STEERING_H

#include <linux/types.h>

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

#endif
