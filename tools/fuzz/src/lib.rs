//! What the fuzz targets share: frames to begin with, and the checks on frames that come out.
//!
//! | module | content |
//! |---|---|
//! | [`input`] | the fuzzer's bytes, taken one by one |
//! | [`frames`] | frames of the traffic around a director, answers to them, errors about them |
//! | [`check`] | whether a frame is well formed and its checksums right, and how to make them right |
//! | [`http`] | a second, simple reading of HTTP/1 messages |
#![forbid(unsafe_code)]

pub mod check;
pub mod frames;
pub mod http;
pub mod input;
