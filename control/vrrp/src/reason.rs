//! Why an advert was not taken, or was taken with a frown. The names are counters in `headgate vrrp` and in the metrics.

/// Declares a closed list of reasons with their names.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

named! {
    /// What is wrong with an advert that is thrown away. It changes no timer and no state (RFC 9568 section 7.1).
    Reason {
        /// Another protocol.
        NotVrrp = "not-vrrp",
        /// The frame is shorter than its packet.
        TruncatedIp = "truncated-ip",
        IpHeader = "ip-header",
        Fragment = "fragment",
        /// The source can be no host.
        BadSource = "bad-source",
        LengthShort = "length-short",
        LengthLong = "length-long",
        /// No virtual router of this family on the interface.
        Family = "family",
        /// No virtual router of this number on the interface.
        Vrid = "vrid",
        /// The virtual router is in INIT or FAULT.
        NotRunning = "not-running",
        /// The source is an address of this node.
        OwnSource = "own-source",
        /// Neither the group nor, with unicast, an address of this node.
        Destination = "destination",
        UnknownPeer = "unknown-peer",
        /// It has come over a router, or may have.
        Ttl = "ttl",
        Version = "version",
        Type = "type",
        Checksum = "checksum",
        /// It names no address.
        CountZero = "count-zero",
        HmacMissing = "hmac-missing",
        HmacMalformed = "hmac-malformed",
        HmacStale = "hmac-stale",
        HmacKey = "hmac-key",
        HmacDigest = "hmac-digest",
        HmacReplay = "hmac-replay",
        AuthType = "auth-type",
        AuthData = "auth-data",
        IntervalMismatch = "interval-mismatch",
        IntervalZero = "interval-zero",
        AddressCount = "address-count",
        AddressList = "address-list",
        FirstAddressNotLinkLocal = "first-address-not-link-local",
    }
}

named! {
    /// What is odd about an advert that counts.
    Warning {
        AddressCount = "address-count",
        AddressList = "address-list",
        FirstAddressNotLinkLocal = "first-address-not-link-local",
        IntervalMismatch = "interval-mismatch",
        OldUnicastChecksum = "old-unicast-checksum",
        SourceNotLinkLocal = "source-not-link-local",
        TwoOwners = "two-owners",
    }
}
