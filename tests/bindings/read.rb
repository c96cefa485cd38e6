# Reads the beginning of a file through a ring.
# ruby read.rb FOLDER-OF-LIBURING-FFI.JSON LIBRARY FILE
require "fiddle"
require "json"

include, library, path = ARGV
INTERFACE = JSON.parse(File.read("#{include}/liburing-ffi.json"))
LIBRARY = Fiddle.dlopen(library)

# The type of an argument or a result, as Fiddle names it.
def fiddle_type(type)
  return Fiddle::TYPE_VOIDP if type.end_with?("*")
  {
    "void" => Fiddle::TYPE_VOID, "int" => Fiddle::TYPE_INT, "_Bool" => Fiddle::TYPE_CHAR,
    "unsigned int" => -Fiddle::TYPE_INT, "unsigned char" => -Fiddle::TYPE_CHAR,
    "unsigned short" => -Fiddle::TYPE_SHORT, "long" => Fiddle::TYPE_LONG,
    "unsigned long" => -Fiddle::TYPE_LONG, "unsigned long long" => -Fiddle::TYPE_LONG_LONG
  }.fetch(type)
end

def function(name)
  described = INTERFACE["functions"].fetch(name)
  Fiddle::Function.new(LIBRARY[name], described["arguments"].map { |argument| fiddle_type(argument["type"]) },
                       fiddle_type(described["returns"]))
end

def check(result)
  raise SystemCallError.new(nil, -result) if result.negative?
  result
end

def offset(struct, field)
  INTERFACE["structs"].fetch(struct)["fields"].find { |found| found["name"] == field }["offset"]
end

ring = Fiddle::Pointer.malloc(INTERFACE["structs"]["io_uring"]["size"], Fiddle::RUBY_FREE)
check(function("io_uring_queue_init").call(8, ring, 0))

file = File.open(path)
buffer = Fiddle::Pointer.malloc(4096, Fiddle::RUBY_FREE)
sqe = function("io_uring_get_sqe").call(ring)
function("io_uring_prep_read").call(sqe, file.fileno, buffer, 4096, 0)
function("io_uring_sqe_set_data64").call(sqe, 42)
check(function("io_uring_submit").call(ring))

found = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
check(function("io_uring_wait_cqe").call(ring, found))
cqe = found.ptr
raise "another request's completion" unless cqe[offset("io_uring_cqe", "user_data"), 8].unpack1("Q") == 42
count = check(cqe[offset("io_uring_cqe", "res"), 4].unpack1("l"))
function("io_uring_cqe_seen").call(ring, cqe)
$stdout.write(buffer[0, count])

file.close
function("io_uring_queue_exit").call(ring)
