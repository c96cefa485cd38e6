// Reads the beginning of a file through a ring, with koffi (npm install koffi).
// node read.js FOLDER-OF-LIBURING-FFI.JSON LIBRARY FILE
const fs = require("fs");
const koffi = require("koffi");

const [include, library, path] = process.argv.slice(2);
const described = JSON.parse(fs.readFileSync(`${include}/liburing-ffi.json`));
const uring = koffi.load(library);

// Structs are blocks of bytes here; their fields are found by their offsets.
const plain = (type) => (type.endsWith("*") ? "void *" : type.replace("_Bool", "bool"));
const call = (name) => {
  const { returns, arguments: parameters } = described.functions[name];
  return uring.func(name, plain(returns), parameters.map(({ type }) => plain(type)));
};
const block = (name) => Buffer.alloc(described.structs[name].size);
const offset = (struct, field) =>
  described.structs[struct].fields.find(({ name }) => name === field).offset;
const check = (result) => {
  if (result < 0) throw new Error(`errno ${-result}`);
  return result;
};

const ring = block("io_uring");
check(call("io_uring_queue_init")(8, ring, 0));

const fd = fs.openSync(path);
const buffer = Buffer.alloc(4096);
const sqe = call("io_uring_get_sqe")(ring);
call("io_uring_prep_read")(sqe, fd, buffer, buffer.length, 0);
call("io_uring_sqe_set_data64")(sqe, 42);
check(call("io_uring_submit")(ring));

const found = Buffer.alloc(8);
check(call("io_uring_wait_cqe")(ring, found));
const cqe = koffi.decode(found, "void *");
const size = described.structs.io_uring_cqe.size;
const bytes = Buffer.from(koffi.decode(cqe, koffi.array("uint8_t", size)));
if (bytes.readBigUInt64LE(offset("io_uring_cqe", "user_data")) !== 42n) throw new Error("another request");
const count = check(bytes.readInt32LE(offset("io_uring_cqe", "res")));
call("io_uring_cqe_seen")(ring, cqe);
process.stdout.write(buffer.subarray(0, count));

fs.closeSync(fd);
call("io_uring_queue_exit")(ring);
