//! Real clients over TLS.

mod age;
mod legs;
mod names;
mod rotation;
mod straight;
mod traffic;
mod visitors;

use crate::access::Access;
use crate::client::Program;
use crate::toolchain::{self, KAFKA_2, KAFKA_4};

/// The newest Java client; `None`: tools are missing.
fn java() -> Option<Program> {
    java_of(KAFKA_4)
}

/// The oldest Java client; `None`: tools are missing.
fn old_java() -> Option<Program> {
    java_of(KAFKA_2)
}

fn java_of(version: &'static str) -> Option<Program> {
    toolchain::available(&["java", "javac", "mvn"]).then(|| Program::java(version))
}

/// One test for each line: its name, a function that returns the program or `None` where a tool is missing, a function that is given the
/// program and the name.
macro_rules! tests_of_programs {
    ($($name:ident: $program:expr, $what:expr;)*) => {$(
        #[test]
        fn $name() {
            let Some(program) = $program() else { return };
            $what(&program, stringify!($name));
        }
    )*};
}
use tests_of_programs;

/// Fails if the client gets in, or speaks of something else than these words, however it writes them.
fn expect_refusal(program: &Program, access: &Access, about: &str) {
    let words = program.refused(access);
    let words = words.unwrap_or_else(|| panic!("{} got in: {about}", program.name()));
    assert!(
        words.to_lowercase().replace('_', " ").contains(about),
        "{} speaks of something else than {about}: {words}",
        program.name()
    );
}
