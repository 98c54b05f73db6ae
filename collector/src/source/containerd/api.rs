//! containerd's interface, compiled from `proto/containerd`.

/// Its events, as messages.
pub mod happened {
    tonic::include_proto!("containerd.events");
}

/// Its event service.
pub mod events {
    tonic::include_proto!("containerd.services.events.v1");
}

/// Its containers.
pub mod containers {
    tonic::include_proto!("containerd.services.containers.v1");
}

/// Their processes.
pub mod tasks {
    tonic::include_proto!("containerd.services.tasks.v1");
}

/// Its images.
pub mod images {
    tonic::include_proto!("containerd.services.images.v1");
}

/// The namespaces that all of these are in.
pub mod namespaces {
    tonic::include_proto!("containerd.services.namespaces.v1");
}

/// What it is.
pub mod version {
    tonic::include_proto!("containerd.services.version.v1");
}

/// Nanoseconds since the Unix epoch; `None` for none, and for the year 1 of a moment that never was.
pub fn nano(moment: Option<&prost_types::Timestamp>) -> Option<i64> {
    let moment = moment?;
    let nano = moment
        .seconds
        .checked_mul(1_000_000_000)?
        .checked_add(i64::from(moment.nanos))?;
    (nano > 0).then_some(nano)
}
