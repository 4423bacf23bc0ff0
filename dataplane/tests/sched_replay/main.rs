//! Replays all recordings of Linux IPVS through the schedulers and compares every pick and every count.

mod model;
mod recording;

use std::net::SocketAddr;

use model::Model;
use recording::{Event, Recording};

#[test]
fn every_recorded_pick_and_count_is_reproduced() {
    let mut failed = Vec::new();
    let mut files = 0;
    for recording in recording::all() {
        files += 1;
        match replay(&recording) {
            Ok(compared) => println!("ok   {} ({compared} compared)", recording.name),
            Err(difference) => {
                println!("FAIL {}: {difference}", recording.name);
                failed.push(recording.name);
            }
        }
    }
    assert_eq!(files, 600);
    assert!(failed.is_empty(), "{} recordings differ: {failed:?}", failed.len());
}

/// The number of picks and snapshots compared, or the first difference.
fn replay(recording: &Recording) -> Result<u32, String> {
    let mut model = Model::new(recording);
    let order: Vec<SocketAddr> = model.snapshot().iter().map(|row| row.0).collect();
    if order != recording.kernel_dest_order {
        return Err(format!("list {order:?}, the kernel's {:?}", recording.kernel_dest_order));
    }
    let mut compared = 0;
    for (number, event) in recording.events.iter().enumerate() {
        match event {
            Event::Connect { client, dst, picked } => {
                let ours = model.connect(*client, *dst);
                if ours != *picked {
                    return Err(format!("event {number}: {client} to {ours:?}, the kernel's {picked:?}"));
                }
                compared += 1;
            }
            Event::Establish { client } => model.establish(*client),
            Event::Close { client } => model.close(*client),
            Event::Reset { client } => model.reset(*client),
            Event::AddServer(server) => model.add_server(server),
            Event::SetWeight(server) => model.set_weight(server),
            Event::DelServer { addr, port } => model.del_server(*addr, *port),
            Event::EditService { scheduler, flags } => model.edit_service(scheduler, flags),
            Event::Advance { seconds } => model.advance(*seconds),
            Event::Snapshot { dests } => {
                let ours = model.snapshot();
                if ours != *dests {
                    return Err(format!("event {number}: {ours:?}, the kernel's {dests:?}"));
                }
                compared += 1;
            }
        }
    }
    Ok(compared)
}
