#include "transports/grpc/protos.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <unordered_map>

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>

#include "transports/common/base64.hpp"

namespace ferry::grpc {
namespace {

namespace pb = google::protobuf;
namespace fs = std::filesystem;
using nlohmann::json;

/// Files below some directories, else beside one that was read: imports that are relative to who imports them. Protobuf's own
/// also where they are not installed.
class Files final : public pb::compiler::SourceTree {
 public:
  void add_root(const fs::path& root) {
    if (std::find(roots_.begin(), roots_.end(), root) == roots_.end()) roots_.push_back(root);
  }

  pb::io::ZeroCopyInputStream* Open(const std::string& name) override {
    for (const auto* places : {&roots_, &read_from_}) {
      for (const fs::path& place : *places) {
        const fs::path path = place / name;
        auto file = std::make_unique<std::ifstream>(path, std::ios::binary);
        std::error_code error;
        if (!file->is_open() || fs::is_directory(path, error)) continue;
        open_.push_back(std::move(file));
        read_from_.insert(read_from_.begin(), path.parent_path());   // not before `place` is done with
        return new pb::io::IstreamInputStream(open_.back().get());
      }
    }
    if (const pb::FileDescriptor* own = pb::DescriptorPool::generated_pool()->FindFileByName(name)) {
      open_.push_back(std::make_unique<std::istringstream>(own->DebugString()));
      return new pb::io::IstreamInputStream(open_.back().get());
    }
    error_ = "not found in";
    for (const fs::path& root : roots_) error_ += " " + root.string();
    return nullptr;
  }
  std::string GetLastErrorMessage() override { return error_; }

 private:
  std::vector<fs::path> roots_;
  std::vector<fs::path> read_from_;   // the last first
  std::vector<std::unique_ptr<std::istream>> open_;
  std::string error_;
};

class Errors final : public pb::compiler::MultiFileErrorCollector {
 public:
  void AddError(const std::string& file, int line, int column, const std::string& message) override {
    if (!text.empty()) text += "; ";
    text += file + (line < 0 ? "" : ":" + std::to_string(line + 1) + ":" + std::to_string(column + 1)) + ": " + message;
  }
  std::string text;
};

}  // namespace

struct Protos::Imported {
  explicit Imported(const LoaderOptions& options) : loader(options) {}

  const LoaderOptions& loader;
  Files tree;
  Errors errors;
  pb::compiler::Importer importer{&tree, &errors};
  std::vector<const pb::FileDescriptor*> files;   // the configured ones, then what they import
  std::unordered_map<const pb::Descriptor*, std::unique_ptr<Shape>> shapes;
  std::unordered_map<const pb::EnumDescriptor*, std::unique_ptr<EnumShape>> enums;

  const Shape* shape(const pb::Descriptor& type);
  const EnumShape* enumeration(const pb::EnumDescriptor& type);
  Field field(const pb::FieldDescriptor& from);
  json fallback(const pb::FieldDescriptor& from) const;
  std::string name_of(const std::string& name) const { return loader.keep_case ? name : camel_case(name); }
  void add_imports();
  /// The same files in a pool that looks for no others, which the importer's would: for names that come from outside.
  const pb::DescriptorPool& closed_pool();

 private:
  void close_over(const pb::FileDescriptor& file);
  std::once_flag closed_once_;
  pb::DescriptorPool closed_;
};

void Protos::Imported::close_over(const pb::FileDescriptor& file) {
  if (closed_.FindFileByName(file.name()) != nullptr) return;
  for (int i = 0; i < file.dependency_count(); ++i) close_over(*file.dependency(i));
  pb::FileDescriptorProto proto;
  file.CopyTo(&proto);
  closed_.BuildFile(proto);
}

const pb::DescriptorPool& Protos::Imported::closed_pool() {
  std::call_once(closed_once_, [this] {
    for (const pb::FileDescriptor* file : files) close_over(*file);
  });
  return closed_;
}

void Protos::Imported::add_imports() {
  for (std::size_t i = 0; i < files.size(); ++i) {
    for (int k = 0; k < files[i]->dependency_count(); ++k) {
      const pb::FileDescriptor* file = files[i]->dependency(k);
      if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
    }
  }
}

const EnumShape* Protos::Imported::enumeration(const pb::EnumDescriptor& type) {
  auto& slot = enums[&type];
  if (slot) return slot.get();
  slot = std::make_unique<EnumShape>();
  slot->full_name = type.full_name();
  for (int i = 0; i < type.value_count(); ++i) {
    slot->names.emplace(type.value(i)->number(), type.value(i)->name());
    slot->numbers.emplace(type.value(i)->name(), type.value(i)->number());
  }
  return slot.get();
}

const Shape* Protos::Imported::shape(const pb::Descriptor& type) {
  auto& slot = shapes[&type];
  if (slot) return slot.get();
  slot = std::make_unique<Shape>();   // before its fields: it may hold itself
  Shape* const made = slot.get();
  made->full_name = type.full_name();
  for (int i = 0; i < type.real_oneof_decl_count(); ++i) made->oneofs.push_back(name_of(type.oneof_decl(i)->name()));
  for (int i = 0; i < type.field_count(); ++i) made->fields.push_back(field(*type.field(i)));
  std::sort(made->fields.begin(), made->fields.end(), [](const Field& a, const Field& b) { return a.number < b.number; });
  return made;
}

Field Protos::Imported::field(const pb::FieldDescriptor& from) {
  using Type = pb::FieldDescriptor::Type;
  static const std::unordered_map<int, Kind> kinds{
      {Type::TYPE_DOUBLE, Kind::float64},   {Type::TYPE_FLOAT, Kind::float32},     {Type::TYPE_INT32, Kind::int32},
      {Type::TYPE_INT64, Kind::int64},      {Type::TYPE_UINT32, Kind::uint32},     {Type::TYPE_UINT64, Kind::uint64},
      {Type::TYPE_SINT32, Kind::sint32},    {Type::TYPE_SINT64, Kind::sint64},     {Type::TYPE_FIXED32, Kind::fixed32},
      {Type::TYPE_FIXED64, Kind::fixed64},  {Type::TYPE_SFIXED32, Kind::sfixed32}, {Type::TYPE_SFIXED64, Kind::sfixed64},
      {Type::TYPE_BOOL, Kind::boolean},     {Type::TYPE_STRING, Kind::string},     {Type::TYPE_BYTES, Kind::bytes},
      {Type::TYPE_ENUM, Kind::enumeration}, {Type::TYPE_MESSAGE, Kind::message},   {Type::TYPE_GROUP, Kind::group}};
  Field field;
  field.number = static_cast<std::uint32_t>(from.number());
  field.kind = kinds.at(from.type());
  field.map = from.is_map();
  field.repeated = from.is_repeated() && !field.map;
  field.packed = from.is_packed();
  field.required = from.is_required();
  if (from.real_containing_oneof() != nullptr) field.oneof = from.real_containing_oneof()->index();
  field.optional = from.containing_oneof() != nullptr && field.oneof < 0;   // proto3's `optional`
  field.name = name_of(from.name());
  field.other_name = loader.keep_case ? camel_case(from.name()) : from.name();
  if (from.message_type() != nullptr) field.message = shape(*from.message_type());
  if (from.enum_type() != nullptr) field.enumeration = enumeration(*from.enum_type());
  field.fallback = fallback(from);
  return field;
}

json Protos::Imported::fallback(const pb::FieldDescriptor& from) const {
  using Cpp = pb::FieldDescriptor::CppType;
  const auto whole = [this](auto value) { return loader.longs_as_text ? json(std::to_string(value)) : json(value); };
  switch (from.cpp_type()) {
    case Cpp::CPPTYPE_INT32: return from.default_value_int32();
    case Cpp::CPPTYPE_UINT32: return from.default_value_uint32();
    case Cpp::CPPTYPE_INT64: return whole(from.default_value_int64());
    case Cpp::CPPTYPE_UINT64: return whole(from.default_value_uint64());
    case Cpp::CPPTYPE_DOUBLE: return from.default_value_double();
    case Cpp::CPPTYPE_FLOAT: return static_cast<double>(from.default_value_float());
    case Cpp::CPPTYPE_BOOL: return from.default_value_bool();
    case Cpp::CPPTYPE_ENUM:
      return loader.enums_as_text ? json(from.default_value_enum()->name()) : json(from.default_value_enum()->number());
    case Cpp::CPPTYPE_MESSAGE: return nullptr;
    case Cpp::CPPTYPE_STRING: break;
  }
  const std::string& text = from.default_value_string();
  if (from.type() == pb::FieldDescriptor::TYPE_STRING) return text;
  if (loader.bytes == LoaderOptions::Bytes::base64) return transports::to_base64(text);
  json list = json::array();
  for (const char c : text) list.push_back(static_cast<std::uint8_t>(c));
  if (loader.bytes == LoaderOptions::Bytes::array) return list;
  return json{{"type", "Buffer"}, {"data", std::move(list)}};
}

// ---- Protos ----------------------------------------------------------------------------------------------------------

Protos::Protos(const Source& source, const LoaderOptions& loader) : imported_(std::make_unique<Imported>(loader_)), loader_(loader) {
  Imported& in = *imported_;
  const fs::path base = source.directory;
  std::vector<std::string> names;
  for (const std::string& dir : source.include_dirs) in.tree.add_root(base / dir);
  for (const std::string& path : source.paths) {
    const auto there = [](const fs::path& place) {
      std::error_code error;   // a name that no file can have is that of none
      return fs::is_regular_file(place, error);
    };
    const auto below = [&](const std::string& dir) { return there(base / dir / path); };
    const bool included = std::any_of(source.include_dirs.begin(), source.include_dirs.end(), below);
    const fs::path file = base / path;
    if (!included && !there(file)) {
      spi::config_error(source.path_place, "there is no file " + file.string(), "give the .proto, relative to the config "
                        "file or to one of loader.includeDirs");
    }
    if (!included) in.tree.add_root(file.parent_path());
    const std::string name = included ? path : file.filename().string();
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      spi::config_error(source.path_place, "two files are named " + name, "name their common directory in loader.includeDirs, "
                        "and the files relative to it");
    }
    names.push_back(name);
    files_ += (files_.empty() ? "" : ", ") + path;
  }
  std::set<std::string> packages(source.packages.begin(), source.packages.end());
  for (const std::string& name : names) {
    const pb::FileDescriptor* file = in.importer.Import(name);
    if (file == nullptr) spi::config_error(source.path_place, "cannot read " + in.errors.text, "mend the .proto");
    in.files.push_back(file);
    if (source.packages.empty()) packages.insert(file->package());
  }
  in.add_imports();
  for (const std::string& package : packages) {   // one that is around another comes first
    const std::string prefix = package.empty() ? "" : package + ".";
    std::set<std::string> there;
    bool found = false;
    for (const pb::FileDescriptor* file : in.files) {
      there.insert(file->package());
      found = found || file->package() == package || file->package().starts_with(prefix);
      for (int s = 0; s < file->service_count(); ++s) {
        const pb::ServiceDescriptor& service = *file->service(s);
        if (!service.full_name().starts_with(prefix)) continue;
        for (int m = 0; m < service.method_count(); ++m) {
          const pb::MethodDescriptor& method = *service.method(m);
          const std::string path = "/" + service.full_name() + "/" + method.name();
          const std::string short_name = service.full_name().substr(prefix.size());
          const auto known = std::find_if(rpcs_.begin(), rpcs_.end(), [&](const Rpc& rpc) { return rpc.path == path; });
          if (known != rpcs_.end()) {
            known->short_services.insert(known->short_services.begin(), short_name);
            continue;
          }
          rpcs_.push_back({path, service.full_name(), {short_name}, method.name(), in.shape(*method.input_type()),
                           in.shape(*method.output_type()), method.client_streaming(), method.server_streaming()});
        }
      }
    }
    if (!found) {
      std::string list;
      for (const std::string& name : there) list += (list.empty() ? "" : ", ") + name;
      spi::config_error(source.package_place, "The invalid gRPC package (package \"" + package + "\" not found) in " + files_,
                        "there are: " + list);
    }
  }
  if (rpcs_.empty()) spi::config_error(source.path_place, "no service in " + files_, "name a .proto with a service, or its package");
}

Protos::~Protos() = default;

namespace {

bool called(const Rpc& rpc, std::string_view service, bool relative) {
  if (!relative) return rpc.service == service;
  return std::find(rpc.short_services.begin(), rpc.short_services.end(), service) != rpc.short_services.end();
}

}  // namespace

bool Protos::has_service(std::string_view name) const noexcept {
  return std::any_of(rpcs_.begin(), rpcs_.end(), [&](const Rpc& rpc) { return called(rpc, name, true) || called(rpc, name, false); });
}

const Rpc* Protos::find(std::string_view name) const noexcept {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return nullptr;
  const std::string_view service = name.substr(0, slash);
  const std::string_view method = name.substr(slash + 1);
  for (const bool relative : {true, false}) {   // as NestJS looks
    for (const Rpc& rpc : rpcs_) {
      if (rpc.name == method && called(rpc, service, relative)) return &rpc;
    }
  }
  return nullptr;
}

namespace {

void collect(const pb::FileDescriptor& file, std::set<const pb::FileDescriptor*>& seen, std::vector<std::string>& out) {
  if (!seen.insert(&file).second) return;
  pb::FileDescriptorProto proto;
  file.CopyTo(&proto);
  out.push_back(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) collect(*file.dependency(i), seen, out);
}

std::vector<std::string> with_imports(const pb::FileDescriptor* file) {
  std::vector<std::string> out;
  std::set<const pb::FileDescriptor*> seen;
  if (file != nullptr) collect(*file, seen, out);
  return out;
}

}  // namespace

std::vector<std::string> Protos::file(std::string_view name) const {
  return with_imports(imported_->closed_pool().FindFileByName(std::string(name)));
}

std::vector<std::string> Protos::file_with(std::string_view symbol) const {
  return with_imports(imported_->closed_pool().FindFileContainingSymbol(std::string(symbol)));
}

std::string Protos::list() const {
  std::string all;
  for (const Rpc& rpc : rpcs_) all += (all.empty() ? "" : ", ") + rpc.path.substr(1);
  return all;
}

}  // namespace ferry::grpc
