//! `{{name}}`: greets people.

use flowforge_sdk::{Failure, connector};

use bindings::Greeting;

struct Greeter;
connector!(Greeter);

impl Connector for Greeter {
    fn greet(name: String) -> Result<Greeting, Failure> {
        let length = name.chars().count();
        if length == 0 {
            return Err(Failure::invalid("name", "must not be empty"));
        }
        Ok(Greeting {
            text: format!("Hello, {name}!"),
            name_length: u32::try_from(length).unwrap_or(u32::MAX),
        })
    }
}
