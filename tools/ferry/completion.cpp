// ferry completion: scripts for shells.

#include <memory>
#include <string>

#include "commands.hpp"
#include "completion_script.hpp"
#include "output.hpp"

namespace ferry::tool {
namespace {

ExitCode print_completion(const CLI::App& app, const std::string& shell) {
  const CommandTable program = tool::table_of(app);
  print_line(shell == "bash" ? bash_script(program) : shell == "zsh" ? zsh_script(program) : fish_script(program));
  return ExitCode::ok;
}

constexpr const char* completion_examples =
    "Examples:\n"
    "  source <(ferry completion bash)                                       # in ~/.bashrc\n"
    "  ferry completion zsh > \"${fpath[1]}/_ferry\"                           # then start zsh anew\n"
    "  ferry completion fish > ~/.config/fish/completions/ferry.fish\n";

}  // namespace

void add_completion(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("completion", "Prints a script that teaches a shell these commands");
  const auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->type_name("")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(completion_examples);
  command->callback([&app, shell, &chosen] { chosen = [&app, shell] { return print_completion(app, *shell); }; });
}

}  // namespace ferry::tool
