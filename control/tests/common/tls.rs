//! Certificates of tests, and curl as their client.

use headgate_testbed::Namespace;

use super::proxy::PROXY;

/// An authority `ca.pem`, and with its signature a certificate `NAME.pem` with `NAME.key` for each of these (name, subject alternative
/// names).
pub fn certificates(ns: &Namespace, wanted: &[(&str, &str)]) -> String {
    let home = ns.directory().to_str().unwrap().to_owned();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let file = |name: &str, kind: &str| format!("{home}/{name}.{kind}");
    let (ca, ca_key) = (file("ca", "pem"), file("ca", "key"));
    let authority = ["openssl", "req", "-x509", "-subj", "/CN=test authority", "-keyout", &ca_key, "-out", &ca];
    ns.run(&[&authority[..], &key].concat()).unwrap();
    for (name, names) in wanted {
        let (certificate, secret) = (file(name, "pem"), file(name, "key"));
        let (subject, names) = (format!("/CN={name}"), format!("subjectAltName={names}"));
        let leaf = ["openssl", "req", "-x509", "-subj", &subject, "-addext", &names, "-CA", &ca, "-CAkey", &ca_key];
        let out = ["-addext", "basicConstraints=CA:FALSE", "-keyout", &secret, "-out", &certificate];
        ns.run(&[&leaf[..], &out, &key].concat()).unwrap();
    }
    home
}

/// A pair of these in the configuration.
pub fn pair(home: &str, name: &str) -> String {
    format!("{{ cert = \"{home}/{name}.pem\", key = \"{home}/{name}.key\" }}")
}

/// `curl` to the proxy under this name; what it prints, or its error.
pub fn curl(ns: &Namespace, home: &str, name: &str, arguments: &[&str]) -> String {
    let port = PROXY.port();
    let (resolve, ca) = (format!("{name}:{port}:127.0.0.1"), format!("{home}/ca.pem"));
    let url = format!("https://{name}:{port}/");
    let command = ["curl", "-sS", "--max-time", "10", "--cacert", &ca, "--resolve", &resolve];
    ns.run(&[&command[..], arguments, &[&url]].concat()).unwrap_or_else(|error| format!("{error:#}"))
}
