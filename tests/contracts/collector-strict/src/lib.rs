//! Rules for collectors, for tests: `kill` is not recorded, and no attribute `com.docker.swarm.task.id`.

use event2ledger::ledger::types::RejectionKind;
use serde_json::{Value, json};

wit_bindgen::generate!({ path: "../../../wit", world: "contract" });

const HIDDEN: &str = "com.docker.swarm.task.id";

struct Strict;

fn reject(message: impl Into<String>) -> Rejection {
    Rejection {
        message: message.into(),
        kind: RejectionKind::Refused,
    }
}

impl Guest for Strict {
    fn describe() -> Description {
        Description {
            name: "collector".to_owned(),
            version: "strict".to_owned(),
            functions: Vec::new(),
        }
    }

    fn invoke(_context: CallContext, _function: String, _argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        Err(reject("nothing can be invoked"))
    }

    fn query(_context: CallContext, _function: String, argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        let mut event: Value = serde_json::from_slice(&argument).map_err(|error| reject(error.to_string()))?;
        let answer = if event["Action"] == "kill" {
            json!({ "recorded": false })
        } else {
            let mut attributes = event["Actor"]["Attributes"].take();
            if let Some(attributes) = attributes.as_object_mut() {
                attributes.remove(HIDDEN);
            }
            json!({ "recorded": true, "action": event["Action"], "attributes": attributes })
        };
        Ok(answer.to_string().into_bytes())
    }
}

export!(Strict);
