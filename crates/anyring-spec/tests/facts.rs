//! The tables against the fact tables, both ways.

use std::collections::BTreeMap;

use anyring_spec::{FFI_NODES, FUNCTIONS, Node, REGISTER_CALLS, SO_NODES, operations, rows};
use serde_json::Value;

fn facts(name: &str) -> Value {
    let path = format!(
        "{}/../../tests/abi/facts/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("valid JSON")
}

fn list(value: &Value, key: &str) -> Vec<Value> {
    value[key].as_array().expect(key).clone()
}

#[test]
fn every_function_with_its_nodes() {
    let mut ours: BTreeMap<String, (Node, Node)> = FUNCTIONS
        .iter()
        .map(|function| (function.name.to_owned(), (function.so, function.ffi)))
        .collect();
    for (_, row) in rows() {
        ours.insert(row.c_name().to_string(), (Node::Local, row.node));
    }
    for function in list(&facts("symbols"), "functions") {
        let name = function["name"].as_str().expect("a name");
        let node = |key: &str, otherwise: Node| match function[key].as_str() {
            Some(node) => Node::V(Box::leak(node.to_owned().into_boxed_str())),
            None => otherwise,
        };
        let archive = if function["in_ffi_archive"] == Value::Bool(true) {
            Node::Archive
        } else {
            Node::Local
        };
        let wanted = (
            node("symbol_version", Node::Local),
            node("ffi_symbol_version", archive),
        );
        assert_eq!(ours.remove(name), Some(wanted), "{name}");
    }
    assert!(ours.is_empty(), "unknown: {ours:?}");
}

#[test]
fn every_node() {
    let table = facts("symbols");
    let names = |key: &str| -> Vec<String> {
        list(&table, key)
            .iter()
            .map(|node| node["node"].as_str().expect("a node").to_owned())
            .collect()
    };
    assert_eq!(names("liburing_version_nodes"), SO_NODES);
    assert_eq!(names("ffi_version_nodes"), FFI_NODES);
}

#[test]
fn every_parameter() {
    let functions = list(&facts("symbols"), "functions");
    for (_, row) in rows() {
        let name = row.c_name().to_string();
        let function = functions
            .iter()
            .find(|function| function["name"] == name)
            .unwrap_or_else(|| panic!("unknown: {name}"));
        let mut ours: Vec<(&str, &str)> =
            row.args.iter().map(|arg| (arg.name, arg.c_type)).collect();
        ours.insert(row.sqe_position, ("sqe", "struct io_uring_sqe *"));
        let parameters = list(function, "params");
        let wanted: Vec<(&str, &str)> = parameters
            .iter()
            .map(|p| (p["name"].as_str().unwrap(), p["type"].as_str().unwrap()))
            .collect();
        assert_eq!(ours, wanted, "{name}");
    }
}

#[test]
fn every_register_call() {
    for call in list(&facts("register-calls"), "calls") {
        let (Some(opcode), Some(value)) = (call["opcode"].as_str(), call["opcode_value"].as_u64())
        else {
            continue;
        };
        let function = call["function"].as_str().expect("a name");
        let row = REGISTER_CALLS
            .iter()
            .find(|row| row.name == opcode)
            .unwrap_or_else(|| panic!("unknown: {opcode}"));
        assert_eq!(u64::from(row.opcode), value);
        assert!(row.functions.contains(&function), "{opcode}: {function}");
    }
}

#[test]
fn operations_are_numbered_without_a_gap() {
    let count = operations()
        .enumerate()
        .inspect(|(position, operation)| assert_eq!(operation.value, *position as u64))
        .count();
    assert_eq!(count, 65);
    // Every operation has a function that prepares it, but the ones that none
    // of the reference's prepares.
    for operation in operations() {
        let prepared = rows().any(|(_, row)| row.opcode() == Some(operation.name));
        assert_eq!(
            prepared,
            operation.name != "IORING_OP_RECV_ZC",
            "{}",
            operation.name
        );
    }
}

#[test]
fn every_flag_word_has_its_row() {
    use anyring_spec::flags::{FLAG_WORDS, Word};
    use anyring_spec::{Field, Value as Written};
    let mut found = Vec::new();
    for (_, row) in rows() {
        let Some(opcode) = row.opcode() else { continue };
        for set in row.set {
            let argument = match set.value {
                Written::Arg(name) | Written::Unsigned(name) | Written::ArgOr(name, _) => name,
                Written::OrInto(_) => "flags",
                _ => continue,
            };
            let flags = argument.ends_with("flags") || argument.ends_with("advice");
            let word = match set.field {
                Field::OpFlags(_) => Word::OpFlags,
                Field::Ioprio => Word::Ioprio,
                Field::Fd if flags => Word::Fd,
                Field::Len if flags => Word::Len,
                Field::FileIndex if flags => Word::FileIndex,
                Field::Flags | Field::Opcode => continue,
                _ if flags => panic!("{}: flags in {:?}", row.name, set.field),
                _ => continue,
            };
            found.push((row.name, opcode, word));
        }
    }
    assert!(found.len() > 60, "{}", found.len());
    let numbers: BTreeMap<_, _> = operations()
        .map(|constant| (constant.name, constant.value as u32))
        .collect();
    for (name, opcode, word) in found {
        let known = |row: &&anyring_spec::flags::FlagWord| {
            row.opcode == numbers[opcode] && row.word == word
        };
        assert_eq!(
            FLAG_WORDS.iter().filter(known).count(),
            1,
            "{name}: {word:?}"
        );
    }
}

#[test]
fn the_documentation_has_every_restricted_word() {
    use anyring_spec::flags::{Allowed, FLAG_WORDS};
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/safety.md");
    let text = std::fs::read_to_string(path).expect("docs/safety.md");
    for row in FLAG_WORDS {
        let name = operations().find(|constant| constant.value == u64::from(row.opcode));
        let name = name.expect("an operation").name;
        let name = name.trim_start_matches("IORING_OP_");
        let named = text
            .lines()
            .any(|line| line.starts_with("| `") && line.contains(&format!("`{name}`")));
        assert!(row.allowed == Allowed::All || named, "{name}");
    }
}
