//! `ipvsadm` lines and IPVS sysctls, as the control side would turn them into services.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use headgate_dataplane::proto;
use headgate_dataplane::sched::{self, Member, Scheduler};
use headgate_dataplane::servers::{Identity, ServerId, Servers, ServiceKey};
use headgate_dataplane::snapshot::egress::Way;
use headgate_dataplane::snapshot::{Forward, Persistence, Ports, Server, Service, Settings};
use headgate_dataplane::state::Timeouts;

use crate::topology::LOCAL;

/// The protocol of a service by firewall mark: that of no packet.
const NO_PROTOCOL: u8 = 0;

/// The services, their servers, and the settings.
#[derive(Debug, Default)]
pub struct Configuration {
    pub settings: Settings,
    pub services: Vec<Entry>,
}

/// A service with its servers in the order they were added.
#[derive(Debug)]
pub struct Entry {
    pub protocol: u8,
    pub address: SocketAddr,
    one_packet: bool,
    persistence: Option<Persistence>,
    pub pool: Arc<sched::Pool>,
    servers: Vec<Server>,
}

/// The options of one line.
#[derive(Default)]
struct Options {
    command: char,
    service: Option<(u8, SocketAddr)>,
    scheduler: Option<Scheduler>,
    server: Option<SocketAddr>,
    forward: Option<Forward>,
    weight: Option<u32>,
    upper: u32,
    lower: u32,
    persistence: Option<u32>,
    mask: Option<u8>,
    one_packet: bool,
    flags: sched::Flags,
    set: Vec<u32>,
}

impl Configuration {
    /// Settings of the recorded kernel: its ICMP rate limit was off.
    pub fn new() -> Self {
        Self { settings: Settings { icmp_per_second: 0, ..Settings::default() }, services: Vec::new() }
    }

    /// Applies one `ipvsadm` line.
    ///
    /// # Errors
    /// When it uses something Headgate does not have, or names what does not exist.
    pub fn apply(&mut self, line: &str, slab: &Servers) -> Result<()> {
        let options = Options::parse(line).with_context(|| format!("ipvsadm {line}"))?;
        match options.command {
            'L' | 'Z' => Ok(()),
            'S' => {
                let [tcp, fin, udp] = options.set[..] else { bail!("--set needs three numbers") };
                self.set_timeouts(tcp, fin, udp);
                Ok(())
            }
            'C' => {
                for entry in self.services.drain(..) {
                    entry.retire(slab);
                }
                Ok(())
            }
            'A' => self.add_service(&options),
            'E' => self.edit_service(&options),
            'D' => {
                let index = self.position(&options)?;
                self.services.remove(index).retire(slab);
                Ok(())
            }
            'a' => {
                let index = self.position(&options)?;
                self.services[index].add_server(&options, slab)
            }
            'e' | 'd' => {
                let index = self.position(&options)?;
                self.services[index].change_server(&options, slab)
            }
            other => bail!("command {other} is not supported"),
        }
    }

    /// Sets one sysctl by its full name.
    ///
    /// # Errors
    /// When Headgate has no such setting.
    pub fn sysctl(&mut self, key: &str, value: i64) -> Result<()> {
        let (settings, on) = (&mut self.settings, value != 0);
        match key.trim_start_matches("net.ipv4.vs.") {
            "conn_reuse_mode" => settings.conn_reuse_mode = value as u8,
            "expire_nodest_conn" => settings.expire_nodest_conn = on,
            "expire_quiescent_template" => settings.expire_quiescent_template = on,
            "nat_icmp_send" => settings.nat_icmp_send = on,
            "pmtu_disc" => settings.pmtu_disc = on,
            "schedule_icmp" => settings.schedule_icmp = on,
            "secure_tcp" => settings.secure_tcp = on,
            "sloppy_tcp" => settings.sloppy_tcp = on,
            _ => bail!("sysctl {key}: no such setting"),
        }
        Ok(())
    }

    /// The parts of a snapshot.
    pub fn build(&self) -> (Vec<Service>, Vec<Server>) {
        let (mut services, mut servers) = (Vec::new(), Vec::new());
        for (index, entry) in self.services.iter().enumerate() {
            servers.extend(entry.servers.iter().map(|server| Server { service: index as u32, ..server.clone() }));
            services.push(Service {
                name: Arc::from(format!("{}/{}", entry.address, entry.protocol)),
                protocol: entry.protocol,
                address: entry.address.ip(),
                ports: if entry.address.port() == 0 { Ports::Any } else { Ports::One(entry.address.port()) },
                one_packet: entry.one_packet,
                persistence: entry.persistence,
                pool: Arc::clone(&entry.pool),
            });
        }
        (services, servers)
    }

    /// 0 leaves a timeout as it is.
    fn set_timeouts(&mut self, tcp: u32, fin: u32, udp: u32) {
        use headgate_dataplane::state::TcpState::{Established, FinWait};
        let old = self.settings.timeouts;
        let or = |new: u32, old: u32| if new == 0 { old } else { new };
        self.settings.timeouts =
            Timeouts::new(or(tcp, old.tcp(Established)), or(fin, old.tcp(FinWait)), or(udp, old.udp));
    }

    fn position(&self, options: &Options) -> Result<usize> {
        let wanted = options.service.context("no service given")?;
        self.services.iter().position(|entry| (entry.protocol, entry.address) == wanted).context("no such service")
    }

    fn add_service(&mut self, options: &Options) -> Result<()> {
        ensure!(self.position(options).is_err(), "the service exists");
        let (protocol, address) = options.service.context("no service given")?;
        let scheduler = options.scheduler.unwrap_or(Scheduler::Wlc);
        self.services.push(Entry {
            protocol,
            address,
            one_packet: options.one_packet,
            persistence: options.persistence(address.ip()),
            pool: Arc::new(sched::Pool::new(scheduler, options.flags, sched::Settings::default())),
            servers: Vec::new(),
        });
        Ok(())
    }

    fn edit_service(&mut self, options: &Options) -> Result<()> {
        let index = self.position(options)?;
        let entry = &mut self.services[index];
        entry.one_packet = options.one_packet;
        entry.persistence = options.persistence(entry.address.ip());
        let scheduler = options.scheduler.unwrap_or(Scheduler::Wlc);
        entry.edit(|pool| pool.change_scheduler(scheduler, options.flags));
        Ok(())
    }
}

impl Entry {
    fn retire(self, slab: &Servers) {
        for server in self.servers {
            slab.retire(server.id);
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut sched::Pool)) {
        let mut pool = sched::Pool::clone(&self.pool);
        change(&mut pool);
        self.pool = Arc::new(pool);
    }

    fn add_server(&mut self, options: &Options, slab: &Servers) -> Result<()> {
        let (address, forward) = (options.server.context("no server given")?, options.forward());
        // ipvsadm gives servers that see the VIP the port of the service.
        let port = if forward == Forward::Nat { address.port() } else { self.address.port() };
        let id = slab.assign(&Identity {
            protocol: self.protocol,
            service: ServiceKey::Address(self.address.ip(), self.address.port()),
            address: address.ip(),
            port,
        })?;
        let weight = options.weight.unwrap_or(1);
        let forward = if LOCAL.contains(&address.ip()) { Forward::Local } else { forward };
        slab.set_thresholds(id, options.upper, options.lower);
        self.edit(|pool| pool.add(Member::new(id, address.ip(), port, weight)));
        let way = Way::NONE;
        self.servers.push(Server { id, service: 0, address: address.ip(), port, weight, forward, way });
        Ok(())
    }

    fn change_server(&mut self, options: &Options, slab: &Servers) -> Result<()> {
        let address = options.server.context("no server given")?;
        let server = |server: &Server| {
            server.address == address.ip() && (server.port == address.port() || server.forward != Forward::Nat)
        };
        let index = self.servers.iter().position(server).context("no such server")?;
        let id = self.servers[index].id;
        if options.command == 'd' {
            self.servers.remove(index);
            self.edit(|pool| {
                pool.remove(id);
            });
            slab.retire(id);
            return Ok(());
        }
        let weight = options.weight.unwrap_or(1);
        self.servers[index].weight = weight;
        self.servers[index].forward = options.forward();
        slab.set_thresholds(id, options.upper, options.lower);
        self.edit(|pool| {
            pool.set_weight(id, weight);
        });
        Ok(())
    }

    /// The server with this slab number.
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.iter().find(|server| server.id == id)
    }
}

impl Options {
    fn parse(line: &str) -> Result<Self> {
        let mut options = Self::default();
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            let mut argument = || words.next().with_context(|| format!("{word} needs an argument"));
            match word {
                "-A" | "-E" | "-D" | "-C" | "-Z" | "-a" | "-e" | "-d" => {
                    options.command = word.chars().nth(1).unwrap_or_default();
                }
                _ if word.starts_with("-L") => {
                    options.command = 'L';
                    return Ok(options);
                }
                "--set" => {
                    options.command = 'S';
                    for _ in 0..3 {
                        options.set.push(words.next().context("--set needs three numbers")?.parse()?);
                    }
                }
                "-t" => options.service = Some((proto::TCP, argument()?.parse()?)),
                "-u" => options.service = Some((proto::UDP, argument()?.parse()?)),
                // No packet ever has a mark here, so the service is only kept for the lines that name it.
                "-f" => options.service = Some((NO_PROTOCOL, SocketAddr::from(([0; 4], argument()?.parse()?)))),
                "-s" => options.scheduler = Some(scheduler(argument()?)?),
                "-r" => options.server = Some(argument()?.parse()?),
                "-m" => options.forward = Some(Forward::Nat),
                "-g" => options.forward = Some(Forward::Dr),
                "-i" => options.forward = Some(Forward::Tunnel),
                "-w" => options.weight = Some(argument()?.parse()?),
                "-x" => options.upper = argument()?.parse()?,
                "-y" => options.lower = argument()?.parse()?,
                "-p" => options.persistence = Some(argument()?.parse()?),
                "-M" => options.mask = Some(mask(argument()?)?),
                "-o" => options.one_packet = true,
                "-b" => {
                    for flag in argument()?.split(',') {
                        options.flags.fallback |= flag.ends_with("-fallback");
                        options.flags.port |= flag.ends_with("-port");
                    }
                }
                _ => bail!("{word}: not supported"),
            }
        }
        Ok(options)
    }

    /// Direct routing is what `ipvsadm` takes when nothing is said.
    fn forward(&self) -> Forward {
        self.forward.unwrap_or(Forward::Dr)
    }

    fn persistence(&self, address: IpAddr) -> Option<Persistence> {
        let whole = if address.is_ipv4() { 32 } else { 128 };
        self.persistence.map(|timeout_s| Persistence { timeout_s, prefix_len: self.mask.unwrap_or(whole) })
    }
}

fn scheduler(name: &str) -> Result<Scheduler> {
    let known = Scheduler::ALL.into_iter().find(|scheduler| scheduler.name() == name);
    known.with_context(|| format!("unknown scheduler {name}"))
}

/// A netmask for IPv4, a prefix length for IPv6.
fn mask(text: &str) -> Result<u8> {
    match text.parse() {
        Ok(IpAddr::V4(mask)) => Ok(mask.to_bits().count_ones() as u8),
        _ => Ok(text.parse()?),
    }
}
