//! Opening what the workers work with: devices, steering, cores, packet memory and sockets.

use anyhow::{Context, Result, bail};
use headgate_dataplane::snapshot::DeviceId;
use headgate_xsk::{
    Attach, AttachRequest, Device, FramePool, Port, PortRequest, SelfTest, SocketOptions, Sockets, Steering, Umem,
    UmemConfig, ZeroCopy, self_test,
};

use crate::config::model::{Dataplane as Config, Workers, XdpMode};

/// Entries of each ring.
const RING: u32 = 2048;
/// Frames a worker has beyond those of its rings: for packets that wait for a neighbour, and fragments.
const SPARE_FRAMES: u32 = 512;
/// Bytes of a frame for devices of the usual MTU, and for larger ones.
const FRAME_SIZES: [u32; 2] = [2048, 4096];

pub(super) struct Attached {
    pub device: Device,
    pub attach: Attach,
}

/// Attaches the steering program to every device and looks at each again, since attaching may change its queues.
pub(super) fn attach(config: &Config, steering: &mut Steering) -> Result<Vec<Attached>> {
    let request = match config.xdp() {
        XdpMode::Auto => AttachRequest::NativeOrGeneric,
        XdpMode::Zerocopy | XdpMode::Native => AttachRequest::Native,
        XdpMode::Generic => AttachRequest::Generic,
    };
    let mut devices = Vec::new();
    for name in config.interfaces() {
        let device = Device::find(name).with_context(|| format!("interface {name}"))?;
        device.check_frame_size(FRAME_SIZES[1]).with_context(|| format!("interface {name}"))?;
        let attach = steering.attach(&device, request).with_context(|| format!("interface {name}"))?;
        let device = device.refresh().with_context(|| format!("interface {name}"))?;
        devices.push(Attached { device, attach });
    }
    Ok(devices)
}

pub(super) fn frame_size(devices: &[Attached]) -> Result<u32> {
    for size in FRAME_SIZES {
        if devices.iter().all(|device| device.device.check_frame_size(size).is_ok()) {
            return Ok(size);
        }
    }
    bail!("no frame size fits the MTU of all interfaces")
}

/// The cores of the workers. Every worker needs a queue of every device, to send on if for nothing else.
pub(super) fn cores(config: &Config, devices: &[Attached]) -> Result<Vec<Option<usize>>> {
    let queues = |device: &Attached| device.device.rx_queues().min(device.device.tx_queues());
    let Some(narrowest) = devices.iter().min_by_key(|device| queues(device)) else {
        bail!("dataplane.interfaces names no interface");
    };
    let most = queues(narrowest).max(1) as usize;
    match config.workers() {
        Workers::Auto => {
            // From the highest core down: the lower ones usually serve the interrupts.
            let mut known: Vec<usize> =
                core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
            known.sort_unstable_by(|a, b| b.cmp(a));
            if known.is_empty() {
                return Ok(vec![None]);
            }
            Ok(known.into_iter().take(most).map(Some).collect())
        }
        Workers::Cores(wanted) if wanted.len() > most => bail!(
            "dataplane.workers lists {} cores, but interface {} has only {most} queue(s) and every worker needs one; \
             list fewer cores or give the interface more queues (ethtool -L {})",
            wanted.len(),
            narrowest.device.name(),
            narrowest.device.name(),
        ),
        Workers::Cores(wanted) => Ok(wanted.iter().map(|core| Some(usize::from(*core))).collect()),
    }
}

pub(super) struct OpenWorker {
    pub frames: FramePool,
    pub lanes: Vec<(DeviceId, Port)>,
}

/// Memory and sockets of worker `id` of `of`: every `of`-th queue of each device.
pub(super) fn open_worker(
    config: &Config,
    devices: &[Attached],
    frame_size: u32,
    (id, of): (usize, usize),
    steering: &mut Steering,
) -> Result<OpenWorker> {
    let mut requests = Vec::new();
    for (number, device) in devices.iter().enumerate() {
        for queue in (id as u32..device.device.rx_queues()).step_by(of) {
            requests.push((number, PortRequest { device: &device.device, queue, attach: device.attach }));
        }
    }
    let frames = 2 * RING * requests.len() as u32 + SPARE_FRAMES;
    let (umem, mut pool) =
        Umem::new(UmemConfig { frame_size, frames, huge_pages: true }).context("cannot reserve packet memory")?;
    let zero_copy = match config.xdp() {
        XdpMode::Auto => ZeroCopy::Auto,
        XdpMode::Zerocopy => ZeroCopy::Require,
        XdpMode::Native | XdpMode::Generic => ZeroCopy::Never,
    };
    let options = SocketOptions { ring_size: RING, zero_copy, busy_poll: None };
    let mut sockets = Sockets::new(&umem, options)?;
    let wanted: Vec<_> = requests.iter().map(|(_, request)| *request).collect();
    let ports = sockets.open_all(&wanted, &mut pool).context("cannot open the AF_XDP sockets")?;
    if let Some(refused) = sockets.refused() {
        tracing::info!(interface = %refused.device, queue = refused.queue, reason = %refused.source, "no zero copy, packets are copied");
    }
    let mut lanes = Vec::new();
    for ((number, request), mut port) in requests.into_iter().zip(ports) {
        steering.register(&port).with_context(|| format!("interface {}", request.device.name()))?;
        let name = request.device.name();
        match self_test(steering, request.device, &mut port, &mut pool) {
            SelfTest::Passed => tracing::debug!(interface = name, queue = request.queue, "receive self-test passed"),
            SelfTest::NotProven { reason } => {
                tracing::info!(interface = name, queue = request.queue, reason, "receive self-test proved nothing");
            }
            SelfTest::Failed { reason } => {
                bail!("interface {name}, queue {}: cannot receive packets: {reason}", request.queue);
            }
        }
        let device = u8::try_from(number).context("too many interfaces")?;
        lanes.push((DeviceId(device), port));
    }
    Ok(OpenWorker { frames: pool, lanes })
}
