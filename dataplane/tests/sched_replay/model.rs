//! As much of a balancer as the recordings need around the schedulers: connections with their states and timers, templates,
//! one-packet services. Time is virtual.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use headgate_dataplane::sched::{Flags, Member, Pool, Request, Settings};
use headgate_dataplane::servers::{Identity, ServerId, Servers, ServiceKey};
use headgate_xsk::SharedWords;

use crate::recording::{Recording, Server};

pub struct Model {
    pub pool: Pool,
    pub servers: Servers,
    service: ServiceKey,
    vip: IpAddr,
    protocol: u8,
    replies_seen: bool,
    one_packet: bool,
    persistent: bool,
    now: u64,
    connections: HashMap<SocketAddr, Connection>,
    /// By client network, indexes into the arena. A template whose server is gone is replaced here, but lives on.
    templates: HashMap<IpAddr, usize>,
    arena: Vec<Template>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    SynRecv,
    Established,
    FinWait,
    TimeWait,
    Close,
    Udp,
    Init1,
}

struct Connection {
    server: ServerId,
    destination: IpAddr,
    state: State,
    expires: u64,
    template: Option<usize>,
}

struct Template {
    server: ServerId,
    expires: u64,
    controls: u32,
    alive: bool,
}

const PERSISTENCE: u64 = 50;

impl State {
    fn is_active(self) -> bool {
        matches!(self, Self::SynRecv | Self::Established)
    }

    fn timeout(self) -> u64 {
        match self {
            Self::SynRecv => 60,
            Self::Established => 900,
            Self::FinWait | Self::TimeWait => 120,
            Self::Close => 10,
            Self::Udp => 300,
            Self::Init1 => 4,
        }
    }
}

impl Model {
    pub fn new(recording: &Recording) -> Self {
        let mut settings = Settings::default();
        for (name, value) in &recording.sysctls {
            match &name[..] {
                "net.ipv4.vs.lblc_expiration" => settings.lblc_expiration = *value,
                "net.ipv4.vs.lblcr_expiration" => settings.lblcr_expiration = *value,
                _ => panic!("sysctl {name}"),
            }
        }
        let protocol = match &recording.protocol[..] {
            "tcp" => 6,
            "udp" => 17,
            "sctp" => 132,
            other => panic!("protocol {other}"),
        };
        let (service, vip) = if let Some(mark) = recording.service.strip_prefix("fwmark ") {
            let ipv6 = recording.servers.iter().any(|server| server.addr.is_ipv6());
            (ServiceKey::Mark { mark: mark.parse().unwrap(), ipv6 }, IpAddr::from([0, 0, 0, 0]))
        } else {
            let address: SocketAddr = recording.service.parse().unwrap();
            (ServiceKey::Address(address.ip(), address.port()), address.ip())
        };
        assert!(["", "-o", "-p 50 -M 255.255.255.0"].contains(&&recording.service_options[..]));
        let slots = 256;
        let words = SharedWords::new(c"servers", Servers::words_needed(slots), false).unwrap();
        let mut model = Self {
            pool: Pool::new(recording.scheduler.parse().unwrap(), flags(&recording.flags), settings),
            servers: Servers::new(words).unwrap(),
            service,
            vip,
            protocol,
            replies_seen: recording.forward == "masq",
            one_packet: recording.service_options.contains("-o"),
            persistent: recording.service_options.contains("-p"),
            now: 1000,
            connections: HashMap::new(),
            templates: HashMap::new(),
            arena: Vec::new(),
        };
        model.pool.housekeep(model.now);
        for server in &recording.servers {
            model.add_server(server);
        }
        model
    }

    pub fn add_server(&mut self, server: &Server) {
        let id = self.servers.assign(&self.identity(server.addr, server.port)).unwrap();
        self.servers.set_thresholds(id, server.x, server.y);
        // Workers see edits as a new snapshot, so the pool is edited in a clone.
        let mut pool = self.pool.clone();
        pool.add(Member::new(id, server.addr, server.port, server.weight));
        self.pool = pool;
    }

    pub fn set_weight(&mut self, server: &Server) {
        let id = self.id(server.addr, server.port);
        self.servers.set_thresholds(id, server.x, server.y);
        let mut pool = self.pool.clone();
        assert!(pool.set_weight(id, server.weight));
        self.pool = pool;
    }

    pub fn del_server(&mut self, address: IpAddr, port: u16) {
        let id = self.id(address, port);
        let mut pool = self.pool.clone();
        assert!(pool.remove(id));
        self.pool = pool;
        self.servers.retire(id);
    }

    pub fn edit_service(&mut self, scheduler: &str, new_flags: &str) {
        let mut pool = self.pool.clone();
        pool.change_scheduler(scheduler.parse().unwrap(), flags(new_flags));
        self.pool = pool;
    }

    /// The first packet of a connection, as the client sees it: the server it reaches.
    pub fn connect(&mut self, client: SocketAddr, destination: Option<SocketAddr>) -> Option<SocketAddr> {
        let server = self.server_for(client, destination.map_or(self.vip, |destination| destination.ip()))?;
        let mut address = self.address(server);
        // NAT to a server without a port keeps the packet's.
        if let Some(destination) = destination.filter(|_| self.replies_seen && address.port() == 0) {
            address.set_port(destination.port());
        }
        Some(address)
    }

    pub fn establish(&mut self, client: SocketAddr) {
        if matches!(self.connections[&client].state, State::SynRecv | State::Established) {
            self.enter(client, State::Established);
        } else {
            panic!("establish in {:?}", self.connections[&client].state);
        }
    }

    pub fn close(&mut self, client: SocketAddr) {
        let state = self.connections[&client].state;
        assert!(state.is_active(), "close in {state:?}");
        let over = if self.replies_seen || state == State::SynRecv { State::TimeWait } else { State::FinWait };
        self.enter(client, over);
    }

    pub fn reset(&mut self, client: SocketAddr) {
        let state = self.connections[&client].state;
        assert!(state.is_active(), "reset in {state:?}");
        // A reset in SYN_RECV changes nothing, but it is a packet.
        self.enter(client, if state == State::SynRecv { State::SynRecv } else { State::Close });
    }

    pub fn advance(&mut self, seconds: u64) {
        let until = self.now + seconds;
        while self.now < until {
            self.now += 1;
            self.expire();
            self.pool.housekeep(self.now);
        }
    }

    /// Server, weight, active, inactive in list order.
    pub fn snapshot(&self) -> Vec<(SocketAddr, u32, u32, u32)> {
        let row = |member: &Member| {
            let load = self.servers.load(member.id);
            (SocketAddr::new(member.address, member.port), member.weight, load.active, load.inactive)
        };
        self.pool.members().iter().map(row).collect()
    }

    fn server_for(&mut self, client: SocketAddr, destination: IpAddr) -> Option<ServerId> {
        if self.one_packet {
            return self.schedule(client, destination);
        }
        if let Some(connection) = self.connections.get(&client) {
            assert_eq!(connection.destination, destination, "two connections of one client socket");
            let is_over = matches!(connection.state, State::TimeWait | State::Close);
            if !is_over || connection.template.is_some() {
                return self.packet_of_known(client);
            }
            self.end(client);
        }
        let (server, template) = if self.persistent {
            let template = self.template(client, destination)?;
            (self.arena[template].server, Some(template))
        } else {
            (self.schedule(client, destination)?, None)
        };
        let state = match self.protocol {
            6 => State::SynRecv,
            17 => State::Udp,
            _ => State::Init1,
        };
        self.servers.bind(server, state.is_active());
        let expires = self.now + state.timeout();
        self.connections.insert(client, Connection { server, destination, state, expires, template });
        Some(server)
    }

    fn expire(&mut self) {
        let due = |connection: &Connection| connection.expires <= self.now;
        let ended: Vec<_> = self.connections.iter().filter(|(_, c)| due(c)).map(|(client, _)| *client).collect();
        for client in ended {
            self.end(client);
        }
        for template in self.arena.iter_mut().filter(|template| template.alive && template.expires <= self.now) {
            if template.controls > 0 {
                template.expires = self.now + 60;
            } else {
                template.alive = false;
                self.servers.template_unbound(template.server);
            }
        }
        self.templates.retain(|_, template| self.arena[*template].alive);
    }

    /// A packet that may open a connection, on one that exists.
    fn packet_of_known(&mut self, client: SocketAddr) -> Option<ServerId> {
        let Connection { server, state, .. } = self.connections[&client];
        if !self.is_configured(server) {
            return None;
        }
        let next = match state {
            State::TimeWait | State::FinWait | State::Close => State::SynRecv,
            other => other,
        };
        self.enter(client, next);
        Some(server)
    }

    fn enter(&mut self, client: SocketAddr, state: State) {
        let connection = self.connections.get_mut(&client).unwrap();
        if connection.state.is_active() != state.is_active() {
            self.servers.transition(connection.server, state.is_active());
        }
        connection.state = state;
        connection.expires = self.now + state.timeout();
    }

    fn end(&mut self, client: SocketAddr) {
        let connection = self.connections.remove(&client).unwrap();
        self.servers.unbind(connection.server, connection.state.is_active());
        if let Some(template) = connection.template {
            self.arena[template].controls -= 1;
        }
    }

    /// The client's template, made if there is none whose server is configured; counts a new connection under it.
    fn template(&mut self, client: SocketAddr, destination: IpAddr) -> Option<usize> {
        let IpAddr::V4(address) = client.ip() else { panic!("the recordings' netmask is IPv4") };
        let network = IpAddr::from((address.to_bits() & 0xffff_ff00).to_be_bytes());
        let known = self.templates.get(&network).copied();
        let valid = known.filter(|template| self.is_configured(self.arena[*template].server));
        let template =
            if let Some(template) = valid { template } else { self.new_template(network, client, destination)? };
        self.arena[template].expires = self.now + PERSISTENCE;
        self.arena[template].controls += 1;
        Some(template)
    }

    fn new_template(&mut self, network: IpAddr, client: SocketAddr, destination: IpAddr) -> Option<usize> {
        let server = self.schedule(client, destination)?;
        self.servers.template_bound(server);
        let template = self.arena.len();
        self.arena.push(Template { server, expires: 0, controls: 0, alive: true });
        self.templates.insert(network, template);
        Some(template)
    }

    fn schedule(&self, client: SocketAddr, destination: IpAddr) -> Option<ServerId> {
        let request = Request {
            client: client.ip(),
            client_port: client.port(),
            destination,
            protocol: self.protocol,
            now_seconds: self.now,
            random: 0,
        };
        self.pool.pick(&self.servers, &request).map(|member| member.id)
    }

    fn is_configured(&self, id: ServerId) -> bool {
        self.pool.members().iter().any(|member| member.id == id)
    }

    fn address(&self, id: ServerId) -> SocketAddr {
        let identity = self.servers.identity(id).unwrap();
        SocketAddr::new(identity.address, identity.port)
    }

    fn id(&self, address: IpAddr, port: u16) -> ServerId {
        let found = self.pool.members().iter().find(|member| (member.address, member.port) == (address, port));
        found.unwrap().id
    }

    fn identity(&self, address: IpAddr, port: u16) -> Identity {
        let protocol = if matches!(self.service, ServiceKey::Mark { .. }) { 0 } else { self.protocol };
        Identity { protocol, service: self.service, address, port }
    }
}

fn flags(names: &str) -> Flags {
    let mut flags = Flags::default();
    for name in names.split(',').filter(|name| !name.is_empty()) {
        match name {
            "sh-fallback" | "mh-fallback" => flags.fallback = true,
            "sh-port" | "mh-port" => flags.port = true,
            other => panic!("flag {other}"),
        }
    }
    flags
}
