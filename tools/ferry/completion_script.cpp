#include "completion_script.hpp"

#include <algorithm>
#include <string_view>

namespace ferry::tool {
namespace {

using Option = CommandTable::Option;

bool is_flag(const Option& option) { return option.value.empty() && option.choices.empty(); }
bool takes_path(const Option& option) { return option.value == "FILE" || option.value == "DIRECTORY"; }

/// `{bash,zsh,fish}`, as CLI11 writes the set that a value must be of.
std::vector<std::string> choices_in(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}');
  if (open == std::string::npos || close == std::string::npos) return choices;
  std::string_view rest = std::string_view(type).substr(open + 1, close - open - 1);
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    choices.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return choices;
}

Option option_of(const CLI::Option& from) {
  Option option;
  for (const std::string& name : from.get_snames()) option.names.push_back("-" + name);
  for (const std::string& name : from.get_lnames()) option.names.push_back("--" + name);
  option.about = from.get_description();
  const bool flag = from.get_items_expected_max() == 0 || from.get_type_size_max() == 0;
  if (flag) return option;
  const std::string type = from.get_type_name();
  option.choices = choices_in(type);
  option.value = option.names.empty() ? from.get_single_name() : type.substr(0, type.find(':'));
  if (option.value.empty()) option.value = "VALUE";
  return option;
}

/// A value of which a shell knows what it may be.
bool offers(const Option& option) { return takes_path(option) || !option.choices.empty(); }

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

void append(std::string& list, std::string_view word, std::string_view separator = " ") {
  if (!list.empty()) list += separator;
  list += word;
}

// ---- bash ------------------------------------------------------------------------------------------------------------

/// `'send --config' | 'send --client'`: what stands before a value.
void add_before_values(const CommandTable& command, std::string& paths, std::string& others) {
  for (const Option& option : command.options) {
    if (is_flag(option)) continue;
    for (const std::string& name : option.names) {
      append(takes_path(option) ? paths : others, "'" + command.name + ' ' + name + "'", " | ");
    }
  }
}

std::string bash_case(const CommandTable& command) {
  std::string words;
  bool paths = false;
  for (const Option& option : command.options) {
    for (const std::string& name : option.names) append(words, name);
    if (!option.names.empty()) continue;
    for (const std::string& choice : option.choices) append(words, choice);
    paths = paths || takes_path(option);
  }
  return "    " + command.name + ") words='" + words + "'" + (paths ? "; [[ $word == -* ]] || kind=-f" : "") + " ;;\n";
}

// ---- zsh -------------------------------------------------------------------------------------------------------------

/// In single quotes, where `_arguments` gives a meaning to colons and brackets.
std::string zsh_text(std::string text) {
  for (const char* special : {"\\", ":", "[", "]"}) text = replaced(std::move(text), special, std::string("\\") + special);
  return replaced(std::move(text), "'", "'\\''");
}

std::string zsh_value(const Option& option) {
  if (is_flag(option)) return {};
  std::string choices;
  for (const std::string& choice : option.choices) append(choices, choice);
  return ':' + zsh_text(option.value) + ':' + (takes_path(option) ? "_files" : choices.empty() ? " " : '(' + choices + ')');
}

std::string zsh_case(const CommandTable& command) {
  std::string text = "    " + command.name + ") _arguments -S";
  int place = 0;
  for (const Option& option : command.options) {
    if (option.names.empty()) {
      ++place;
      // A place with nothing to offer is left out: zsh would show its name instead of inserting an option that fits.
      if (offers(option)) text += " \\\n        '" + std::to_string(place) + zsh_value(option) + "'";
    }
    for (const std::string& name : option.names) {
      text += " \\\n        '*" + name + '[' + zsh_text(option.about) + ']' + zsh_value(option) + "'";
    }
  }
  return text + " ;;\n";
}

// ---- fish ------------------------------------------------------------------------------------------------------------

std::string fish_text(std::string text) {
  return "'" + replaced(replaced(std::move(text), "\\", "\\\\"), "'", "\\'") + "'";
}

std::string fish_line(const Option& option, const std::string& condition) {
  std::string line = "complete -c ferry -n " + fish_text(condition);
  for (const std::string& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  std::string choices;
  for (const std::string& choice : option.choices) append(choices, choice);
  if (!choices.empty()) line += " -a " + fish_text(choices);
  if (takes_path(option)) line += option.names.empty() ? " -F" : " -r -F";
  else if (!is_flag(option) && !option.names.empty()) line += " -x";
  return line + " -d " + fish_text(option.about) + '\n';
}

}  // namespace

CommandTable table_of(const CLI::App& app) {
  CommandTable table{app.get_name(), app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options()) table.options.push_back(option_of(*option));
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    table.commands.push_back(table_of(*command));
  }
  return table;
}

std::string bash_script(const CommandTable& program) {
  std::string first, paths, others, cases;
  for (const CommandTable& command : program.commands) {
    append(first, command.name);
    add_before_values(command, paths, others);
    cases += bash_case(command);
  }
  for (const Option& option : program.options) {
    for (const std::string& name : option.names) append(first, name);
  }
  return "# bash completion for ferry, made by: ferry completion bash\n"
         "_ferry() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} command= words= kind=-W\n"
         "  COMPREPLY=()\n"
         "  if [ \"$COMP_CWORD\" -gt 1 ]; then command=${COMP_WORDS[1]}; fi\n"
         "  case \"$command\" in\n"
         "    '') words='" + first + "' ;;\n" + cases +
         "  esac\n"
         "  case \"$command ${COMP_WORDS[COMP_CWORD-1]}\" in\n"
         "    " + paths + ") kind=-f ;;\n"
         "    " + others + ") return ;;\n"
         "  esac\n"
         "  if [ \"$kind\" = -f ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
         "    compopt -o filenames 2>/dev/null\n"
         "  else\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "  fi\n"
         "}\n"
         "complete -F _ferry ferry";
}

std::string zsh_script(const CommandTable& program) {
  std::string commands, cases, names;
  for (const CommandTable& command : program.commands) {
    commands += "    '" + command.name + ':' + replaced(command.about, "'", "'\\''") + "'\n";
    cases += zsh_case(command);
  }
  for (const Option& option : program.options) {
    for (const std::string& name : option.names) append(names, name);
  }
  return "#compdef ferry\n"
         "# zsh completion for ferry, made by: ferry completion zsh\n"
         "_ferry() {\n"
         "  local -a commands=(\n" + commands + "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe command commands\n"
         "    compadd -- " + names + "\n"
         "    return\n"
         "  fi\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $words[1] in\n" + cases +
         "  esac\n"
         "}\n"
         "if [ \"$funcstack[1]\" = _ferry ]; then _ferry \"$@\"; else compdef _ferry ferry; fi";
}

std::string fish_script(const CommandTable& program) {
  std::string text = "# fish completion for ferry, made by: ferry completion fish\ncomplete -c ferry -f\n";
  for (const Option& option : program.options) text += fish_line(option, "__fish_use_subcommand");
  for (const CommandTable& command : program.commands) {
    text += "complete -c ferry -n __fish_use_subcommand -a " + command.name + " -d " + fish_text(command.about) + '\n';
    for (const Option& option : command.options) {
      if (option.names.empty() && !offers(option)) continue;
      text += fish_line(option, "__fish_seen_subcommand_from " + command.name);
    }
  }
  text.pop_back();
  return text;
}

}  // namespace ferry::tool
