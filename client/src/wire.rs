//! What prost and tonic generate from `proto/event2ledger.proto`. Fields of type `bytes` are
//! [`bytes::Bytes`], so that an envelope is not copied on its way.

tonic::include_proto!("event2ledger.v1");
