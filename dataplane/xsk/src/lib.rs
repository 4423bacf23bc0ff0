//! Memory and the kernel, for the data plane: everything of ours that needs `unsafe`.

pub mod words;

pub use words::SharedWords;
