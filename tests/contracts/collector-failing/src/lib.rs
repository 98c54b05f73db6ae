//! Rules for collectors, for tests: each action shows another way to give no answer, but for `create`.

use event2ledger::ledger::types::RejectionKind;
use serde_json::{Value, json};

wit_bindgen::generate!({ path: "../../../wit", world: "contract" });

struct Failing;

fn reject(message: impl Into<String>) -> Rejection {
    Rejection {
        message: message.into(),
        kind: RejectionKind::Refused,
    }
}

impl Guest for Failing {
    fn describe() -> Description {
        Description {
            name: "collector".to_owned(),
            version: "failing".to_owned(),
            functions: Vec::new(),
        }
    }

    fn invoke(_context: CallContext, _function: String, _argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        Err(reject("nothing can be invoked"))
    }

    fn query(_context: CallContext, _function: String, argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        let event: Value = serde_json::from_slice(&argument).map_err(|error| reject(error.to_string()))?;
        let attributes = &event["Actor"]["Attributes"];
        let answer = match event["Action"].as_str().unwrap_or_default() {
            "start" => panic!("a trap"),
            "stop" => endless(),
            "pause" => json!({ "recorded": true, "action": "die", "attributes": attributes }),
            "unpause" => json!({ "recorded": true, "action": "unpause", "attributes": attributes, "timeNano": 1 }),
            "kill" => return Err(reject("no")),
            "die" => return Ok(b"{".to_vec()),
            action => json!({ "recorded": true, "action": action, "attributes": attributes }),
        };
        Ok(answer.to_string().into_bytes())
    }
}

fn endless() -> Value {
    let mut number = 0u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

export!(Failing);
