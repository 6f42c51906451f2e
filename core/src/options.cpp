#include "ferry/spi/options.hpp"

#include <algorithm>
#include <stdexcept>

#include "options_detail.hpp"

namespace ferry::spi {
namespace {

using nlohmann::json;

const Option& option_in(OptionTable table, std::string_view name) {
  const auto option = std::find_if(table.begin(), table.end(), [&](const Option& o) { return o.name == name; });
  if (option == table.end()) throw std::logic_error("option \"" + std::string(name) + "\" is not in the table");
  return *option;
}

const json& present(const json* value, std::string_view name) {
  if (value != nullptr) return *value;
  throw std::logic_error("option \"" + std::string(name) + "\" has no value and no default: ask has() first");
}

const json* member_of(const json* object, std::string_view name) {
  if (object == nullptr) return nullptr;
  const auto found = object->find(std::string(name));
  return found == object->end() ? nullptr : &*found;
}

}  // namespace

ConfigPlace ConfigPlace::member(std::string_view name) const {
  ConfigPlace result{file, pointer + '/'};
  for (const char c : name) {
    if (c == '~') result.pointer += "~0";
    else if (c == '/') result.pointer += "~1";
    else result.pointer += c;
  }
  return result;
}

ConfigPlace ConfigPlace::element(std::size_t index) const { return {file, pointer + '/' + std::to_string(index)}; }

std::string ConfigPlace::text() const { return pointer.empty() ? file : file + ": " + pointer; }

bool Options::has(std::string_view name) const {
  option_in(table_, name);
  return value(name) != nullptr;
}

bool Options::given(std::string_view name) const {
  option_in(table_, name);
  return member_of(given_.get(), name) != nullptr;
}

bool Options::boolean(std::string_view name) const {
  find(name, OptionKind::boolean);
  return present(value(name), name).get<bool>();
}

std::int64_t Options::integer(std::string_view name) const {
  find(name, OptionKind::integer);
  return present(value(name), name).get<std::int64_t>();
}

double Options::number(std::string_view name) const {
  find(name, OptionKind::number);
  return present(value(name), name).get<double>();
}

std::string Options::string(std::string_view name) const {
  find(name, OptionKind::string);
  const json* text = value(name);
  return text == nullptr ? std::string{} : text->get<std::string>();
}

std::chrono::milliseconds Options::duration(std::string_view name) const {
  find(name, OptionKind::duration);
  return std::chrono::milliseconds(present(value(name), name).get<std::int64_t>());
}

std::size_t Options::size(std::string_view name) const {
  find(name, OptionKind::size);
  return present(value(name), name).get<std::size_t>();
}

std::vector<std::string> Options::strings(std::string_view name) const {
  find(name, OptionKind::strings);
  const json* list = value(name);
  return list == nullptr ? std::vector<std::string>{} : list->get<std::vector<std::string>>();
}

std::map<std::string, std::string> Options::map_of_strings(std::string_view name) const {
  find(name, OptionKind::map_of_strings);
  const json* map = value(name);
  return map == nullptr ? std::map<std::string, std::string>{} : map->get<std::map<std::string, std::string>>();
}

Options Options::object(std::string_view name) const {
  Options result;
  result.table_ = find(name, OptionKind::object).members;
  result.place_ = place_.member(name);
  if (const json* values = value(name)) {
    result.values_ = {values_, values};  // shares the owner
  } else {
    result.values_ = std::make_shared<const json>(detail::normalised_defaults(result.table_, result.place_));
  }
  if (const json* given = member_of(given_.get(), name)) result.given_ = {given_, given};
  return result;
}

const json& Options::any(std::string_view name) const {
  static const json null;
  find(name, OptionKind::any);
  const json* found = value(name);
  return found == nullptr ? null : *found;
}

ConfigPlace Options::place(std::string_view name) const {
  option_in(table_, name);
  return place_.member(name);
}

const Option& Options::find(std::string_view name, OptionKind kind) const {
  const Option& option = option_in(table_, name);
  if (option.kind != kind) throw std::logic_error("option \"" + std::string(name) + "\" is of another kind");
  return option;
}

const json* Options::value(std::string_view name) const { return member_of(values_.get(), name); }

}  // namespace ferry::spi
