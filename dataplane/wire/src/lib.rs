//! Packet formats as typed views over byte slices, and their checksums. No I/O, no allocation.
#![no_std]
#![forbid(unsafe_code)]
