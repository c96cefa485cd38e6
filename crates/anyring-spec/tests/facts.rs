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
