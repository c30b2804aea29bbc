// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/completion.hpp"

#include "core/ctl/command.hpp"

#include <string_view>
#include <vector>

namespace cofounder::ctl {
namespace {

std::string words_after(std::string_view group) {
  std::string words;
  for (const Command& command : commands()) {
    const auto space = command.path.find(' ');
    const bool is_top = space == std::string_view::npos;
    std::string_view word;
    if (group.empty() && is_top) word = command.path;
    if (!group.empty() && !is_top && command.path.substr(0, space) == group) {
      word = command.path.substr(space + 1);
    }
    if (word.empty()) continue;
    if (!words.empty()) words += ' ';
    words += word;
  }
  return words;
}

std::string choices_text(const std::vector<std::string_view>& choices) {
  std::string text;
  for (const std::string_view choice : choices) {
    if (!text.empty()) text += ' ';
    text += choice;
  }
  return text;
}

std::string options_text(const Command& command) {
  std::string text;
  for (const Option& option : command.options) {
    text += "--" + std::string{option.name} + " ";
  }
  return text + "--help --json --socket";
}

// What bash offers for a value of this kind.
std::string bash_values(Words words, const std::vector<std::string_view>& choices) {
  switch (words) {
    case Words::file:
      return "COMPREPLY=($(compgen -f -- \"${word##*=}\"))";
    case Words::folder:
      return "COMPREPLY=($(compgen -d -- \"$word\"))";
    case Words::choice:
      return "COMPREPLY=($(compgen -W \"" + choices_text(choices) + "\" -- \"$word\"))";
    case Words::any:
      break;
  }
  return "COMPREPLY=()";
}

// Single quotes for the shell.
std::string shell_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return result + "'";
}

// For zsh's _arguments, brackets and colons need a backslash.
std::string described(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string zsh_action(Words words, const std::vector<std::string_view>& choices) {
  switch (words) {
    case Words::file:
      return "_files";
    case Words::folder:
      return "_files -/";
    case Words::choice:
      return "(" + choices_text(choices) + ")";
    case Words::any:
      break;
  }
  return " ";
}

std::string zsh_arguments(const Command& command) {
  std::string text = "_arguments";
  const auto add = [&](const std::string& spec) { text += " \\\n        " + shell_quoted(spec); };
  for (const Option& option : command.options) {
    std::string spec = (option.may_repeat ? "*--" : "--") + std::string{option.name};
    if (!option.value.empty()) spec += option.value_is_optional ? "=-" : "=";
    spec += "[" + described(option.help) + "]";
    if (!option.value.empty()) {
      spec += (option.value_is_optional ? "::" : ":") + described(option.value) + ":" +
              zsh_action(option.words, option.choices);
    }
    add(spec);
  }
  for (const Argument& argument : command.arguments) {
    add((argument.may_repeat    ? "*:"
         : argument.is_required ? ":"
                                : "::") +
        described(argument.help) + ":" + zsh_action(argument.words, argument.choices));
  }
  const std::string inner = words_after(command.path);
  if (!inner.empty()) add("::command:(" + inner + ")");
  add("--help[show the help]");
  add("--json[print the daemon's answer as it is]");
  add("--socket=[the daemon's socket]:PATH:_files");
  return text;
}

}  // namespace

std::string bash_completion() {
  std::string text =
      "# bash completion for cofounderctl(1); made by `cofounderctl completion bash`.\n"
      "# shellcheck disable=SC2207\n"
      "_cofounderctl() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local path='' i skip=0\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    if ((skip)); then skip=0; continue; fi\n"
      "    case ${COMP_WORDS[i]} in\n"
      "      --socket) skip=1 ;;\n"
      "      -*) ;;\n"
      "      *)\n"
      "        case \"$path ${COMP_WORDS[i]}\" in\n";
  std::string paths;
  for (const Command& command : commands()) {
    if (!paths.empty()) paths += "|";
    paths += "\" " + std::string{command.path} + "\"";
  }
  text +=
      "          " + paths +
      ") path=\"$path ${COMP_WORDS[i]}\" ;;\n"
      "        esac ;;\n"
      "    esac\n"
      "  done\n"
      "  if [[ $before == --socket ]]; then COMPREPLY=($(compgen -f -- \"$word\")); return; fi\n"
      "  case \"$path\" in\n"
      "    '') COMPREPLY=($(compgen -W \"" +
      words_after({}) + " --help --json --socket --version\" -- \"$word\")) ;;\n";
  for (const Command& command : commands()) {
    text += "    ' " + std::string{command.path} + "')\n";
    const bool is_group =
        command.path.find(' ') == std::string_view::npos && !words_after(command.path).empty();
    std::string values;
    for (const Option& option : command.options) {
      if (option.value.empty() || option.value_is_optional) continue;
      values += "        --" + std::string{option.name} + ") " +
                bash_values(option.words, option.choices) + "; return ;;\n";
    }
    if (!values.empty()) text += "      case $before in\n" + values + "      esac\n";
    std::string words = options_text(command);
    if (is_group) words = words_after(command.path) + " " + words;
    bool has_files = false;
    for (const Argument& argument : command.arguments) {
      if (!argument.choices.empty()) words = choices_text(argument.choices) + " " + words;
      has_files = has_files || argument.words == Words::file;
    }
    text += "      COMPREPLY=($(compgen -W \"" + words + "\" -- \"$word\"))\n";
    if (has_files) text += "      COMPREPLY+=($(compgen -f -- \"$word\"))\n";
    text += "      ;;\n";
  }
  return text + "  esac\n}\ncomplete -o filenames -F _cofounderctl cofounderctl\n";
}

std::string zsh_completion() {
  // Not a variable named path: in zsh that is PATH.
  std::string text =
      "#compdef cofounderctl\n"
      "# zsh completion for cofounderctl(1); made by `cofounderctl completion zsh`.\n"
      "_cofounderctl() {\n"
      "  local -a parts places\n"
      "  local i\n"
      "  for ((i = 2; i < CURRENT; i++)); do\n"
      "    case $words[i] in\n"
      "      --socket) ((i++)) ;;\n"
      "      -*) ;;\n"
      "      *) parts+=($words[i]); places+=($i) ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$parts[1] $parts[2]\" in\n";
  // The longer paths first: "metrics summary" before "metrics".
  for (const bool is_long : {true, false}) {
    for (const Command& command : commands()) {
      const bool has_space = command.path.find(' ') != std::string_view::npos;
      if (has_space != is_long || command.run == nullptr) continue;
      const std::string place = has_space ? "places[2]" : "places[1]";
      text += "    " + shell_quoted(std::string{command.path} + (has_space ? "" : " ")) +
              (has_space ? "" : "*") + ")\n      shift $((" + place +
              " - 1)) words; ((CURRENT -= " + place + " - 1))\n      " + zsh_arguments(command) +
              "\n      ;;\n";
    }
  }
  for (const Command& command : commands()) {
    if (command.run != nullptr) continue;
    text += "    " + shell_quoted(std::string{command.path} + " ") + ") _values command " +
            words_after(command.path) + " ;;\n";
  }
  return text + "    ' ') _values command " + words_after({}) +
         " ;;\n"
         "  esac\n}\n"
         "if [[ $funcstack[1] == _cofounderctl ]]; then _cofounderctl \"$@\"; else compdef "
         "_cofounderctl cofounderctl; fi\n";
}

}  // namespace cofounder::ctl
