#include "tools/cli/app.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <new>

#include "tools/cli/text.h"
#include "tools/cli/verbs.h"

namespace etch::cli {

namespace {

constexpr const char* kModels = R"(
MODEL   zoo:mlp, zoo:lenet, zoo:resnet18?classes=10&height=64&width=64, zoo:transformer,
        libX.so:NAME (a plug-in, whose code runs), FILE.etch
)";
constexpr const char* kValues = "VALUE   random:SEED, zeros, @FILE.npy, @FILE.npz:KEY, [1, 2, 3]\n";
constexpr const char* kExitCodes = R"(
Exit codes: 0 done, 1 the answer is no, 2 usage, 3 an input is unreadable or unsupported,
4 a device, library or permission is missing, 5 a bug in Etch, 130 interrupted.)";

/// Everything that the options of all verbs are read into.
struct Requests {
  TraceRequest trace;
  ExportRequest export_onnx;
  RunRequest run;
  CompareRequest compare;
  InspectRequest inspect;
  std::string op;
  bool json = false;
};

using Verb = std::function<Answer(Requests&, Console&)>;

/// The verbs with their options.
class Grammar {
 public:
  Grammar() {
    app_.name("etch");
    app_.description("Etch " ETCH_VERSION_TEXT
                     ": records, compiles, runs and exports tensor programs");
    app_.footer(cat(kModels, kValues, kExitCodes));
    app_.set_version_flag("--version", "etch " ETCH_VERSION_TEXT);
    app_.require_subcommand(1);
    add_trace();
    add_export();
    add_run();
    add_compare();
    add_inspect();
    add_rest();
  }

  CLI::App& app() { return app_; }
  Requests& requests() { return requests_; }
  const Verb& chosen() const { return verbs_.at(app_.get_subcommands().front()->get_name()); }

  std::vector<std::string> verb_names() const {
    std::vector<std::string> out;
    for (const CLI::App* s : app_.get_subcommands(nullptr)) out.push_back(s->get_name());
    return out;
  }
  /// "--dynamic", ... of a verb.
  static std::vector<std::string> option_names(const CLI::App& verb) {
    std::vector<std::string> out;
    for (const CLI::Option* o : verb.get_options()) {
      for (const std::string& l : o->get_lnames()) out.push_back("--" + l);
      for (const std::string& s : o->get_snames()) out.push_back("-" + s);
    }
    return out;
  }

 private:
  CLI::App& verb(const std::string& name, const std::string& text, Verb run) {
    CLI::App* sub = app_.add_subcommand(name, text);
    sub->add_flag("--json", requests_.json, "The answer as JSON");
    sub->footer(kExitCodes);
    verbs_[name] = std::move(run);
    return *sub;
  }
  static void model(CLI::App& sub, std::string& to) {
    sub.add_option("MODEL", to, "zoo:NAME?..., libX.so:NAME or FILE.etch")->required();
    sub.footer(cat(kModels, kExitCodes));
  }
  static CLI::Option* file(CLI::App& sub, const char* name, std::string& to, const char* type,
                           const char* text) {
    return sub.add_option(name, to, text)->type_name(type)->check([](const std::string& path) {
      return path.empty() ? std::string("the file name is empty") : std::string();
    });
  }
  static void list(CLI::App& sub, const char* name, std::vector<std::string>& to, const char* type,
                   const char* text) {
    sub.add_option(name, to, text)
        ->type_name(type)
        ->take_all()
        ->expected(1)
        ->allow_extra_args(false);
  }
  static void dynamic(CLI::App& sub, std::vector<std::string>& to) {
    list(sub, "--dynamic", to, "INPUT:AXIS=SYMBOL[:LOW:HIGH]",
         "Makes an axis of any size; repeatable");
  }
  static void values(CLI::App& sub, std::vector<std::string>& inputs,
                     std::vector<std::string>& dims) {
    list(sub, "--input", inputs, "NAME=VALUE", "An input; random when not given; repeatable");
    list(sub, "--dim", dims, "SYMBOL=SIZE", "A named size, such as N=3; repeatable");
    sub.footer(cat(kModels, kValues, kExitCodes));
  }

  static void level(CLI::App& sub, std::string& to, const char* text) {
    sub.add_option("--level", to, text)->type_name("exact|fast");
  }

  void add_trace() {
    TraceRequest& r = requests_.trace;
    CLI::App& sub = verb("trace", "Records a model and saves it as an artifact",
                         [](Requests& q, Console& c) { return trace_verb(q.trace, c); });
    model(sub, r.model);
    dynamic(sub, r.dynamic);
    file(sub, "-o,--output", r.output, "FILE.etch", "The artifact to write");
    CLI::Option* text = sub.add_flag("--text", r.text, "The graph in text form");
    sub.add_flag("--explain", r.explain,
                 "Sizes, captured tensors, guards and random draws, with their lines")
        ->excludes(text);
    level(sub, r.level, "What the artifact asks for; exact by default");
  }
  void add_export() {
    ExportRequest& r = requests_.export_onnx;
    CLI::App& sub = verb("export", "Writes a model as ONNX",
                         [](Requests& q, Console& c) { return export_verb(q.export_onnx, c); });
    model(sub, r.model);
    dynamic(sub, r.dynamic);
    file(sub, "-o,--output", r.output, "FILE.onnx", "The model to write")->required();
    sub.add_option("--opset", r.opset, "ONNX opset; the lowest that suffices by default");
    sub.add_option("--for", r.target, "The engine that is to read it; checked before writing")
        ->type_name("PROFILE");
    sub.add_flag("--drop-state-writes", r.drop_state_writes,
                 "Leaves out what the model writes to its state");
  }
  void add_run() {
    RunRequest& r = requests_.run;
    CLI::App& sub =
        verb("run", "Runs a model", [](Requests& q, Console& c) { return run_verb(q.run, c); });
    model(sub, r.model);
    dynamic(sub, r.dynamic);
    values(sub, r.inputs, r.dims);
    file(sub, "--outputs", r.outputs, "FILE.npz", "Writes the outputs");
    sub.add_option("--engine", r.engine, "jit, interpret or eager")->capture_default_str();
    level(sub, r.level, "fast: contractions run in oneDNN; by default the artifact's, else exact");
  }
  void add_compare() {
    CompareRequest& r = requests_.compare;
    CLI::App& sub = verb("compare", "Runs a model two ways and compares every bit",
                         [](Requests& q, Console& c) { return compare_verb(q.compare, c); });
    model(sub, r.model);
    dynamic(sub, r.dynamic);
    values(sub, r.inputs, r.dims);
    const char* sides = "jit, interpret, eager, FILE.npz (stored outputs) or FILE.etch";
    sub.add_option("--a", r.a, sides)->capture_default_str();
    sub.add_option("--b", r.b, sides)->capture_default_str();
    level(sub, r.level, "Of side a; fast measures how far it is from side b");
    sub.add_option("--tolerance", r.tolerance,
                   "At level fast: the largest difference, as a share of the root mean square")
        ->check([](const std::string& text) {
          char* end = nullptr;
          bool good = std::strtod(text.c_str(), &end) >= 0 && end != text.c_str() && *end == '\0';
          return good ? std::string() : cat("expected a number of at least 0, got ", text);
        })
        ->capture_default_str();
    sub.add_flag("--allow-constant", r.allow_constant, "Accepts outputs that hardly vary");
  }
  void add_inspect() {
    InspectRequest& r = requests_.inspect;
    CLI::App& sub = verb("inspect", "Shows inputs, outputs, state, graphs and sections of a model",
                         [](Requests& q, Console& c) { return inspect_verb(q.inspect, c); });
    model(sub, r.model);
    dynamic(sub, r.dynamic);
  }
  void add_rest() {
    CLI::App& ops = verb("ops", "Lists the operators",
                         [](Requests& q, Console& c) { return ops_verb(q.op, c); });
    ops.add_option("NAME", requests_.op, "One operator");
    verb("doctor", "Says what this machine and installation offer",
         [](Requests&, Console& c) { return doctor_verb(c); });
  }

  CLI::App app_;
  Requests requests_;
  std::map<std::string, Verb> verbs_;
};

/// "error: [op] what" with the hint on its own line.
void print_error(std::string_view what, Console& console) {
  std::string_view hint;
  size_t dot = what.rfind(". ");
  if (dot != std::string_view::npos && what.find('\n', dot) == std::string_view::npos &&
      dot + 2 < what.size() && std::isupper(static_cast<unsigned char>(what[dot + 2])) != 0) {
    hint = what.substr(dot + 2);
    what = what.substr(0, dot);
  }
  std::string_view red = console.color ? "\033[1;31m" : "", plain = console.color ? "\033[0m" : "";
  console.err(cat(red, "error:", plain, " ", what, "\n"));
  if (!hint.empty()) console.err(cat("  hint: ", hint, "\n"));
}

/// What is wrong with the command line and what to do about it.
std::string misuse_text(const CLI::ParseError& e, Grammar& grammar,
                        const std::vector<std::string>& args) {
  std::string what = e.what();
  while (!what.empty() && (what.back() == '\n' || what.back() == '.')) what.pop_back();
  const CLI::App* verb = nullptr;
  for (const CLI::App* s : grammar.app().get_subcommands(nullptr)) {
    if (!args.empty() && s->get_name() == args[0]) verb = s;
  }
  if (constexpr std::string_view kConversion = "Could not convert: ";
      what.starts_with(kConversion)) {
    what = cat(what.substr(kConversion.size()), ": expected a number");
  }
  const std::string command = verb == nullptr ? "etch" : "etch " + verb->get_name();
  std::vector<std::string> known = Grammar::option_names(verb == nullptr ? grammar.app() : *verb);
  for (const std::string& a : args) {
    std::string option = a.substr(0, a.find('='));
    // "-1" is a value.
    if (option.size() < 2 || option[0] != '-' || std::isdigit(option[1] & 0x7f) != 0) continue;
    if (std::find(known.begin(), known.end(), option) != known.end()) continue;
    std::string close = nearest(option, known);
    return cat("[usage] ", command, " has no option ", option, ". ",
               close.empty() ? cat("Try ", command, " --help") : cat("Did you mean ", close, "?"));
  }
  return cat("[usage] ", what, ". Try ", command, " --help");
}

int parse_failed(const CLI::ParseError& e, Grammar& grammar, const std::vector<std::string>& args,
                 Console& console) {
  if (e.get_exit_code() == 0) {
    // --help and --version.
    const CLI::App* which = &grammar.app();
    for (const CLI::App* s : grammar.app().get_subcommands()) which = s;
    bool help = dynamic_cast<const CLI::CallForHelp*>(&e) != nullptr ||
                dynamic_cast<const CLI::CallForAllHelp*>(&e) != nullptr;
    bool verb = which != &grammar.app();
    console.out(help ? which->help(verb ? "etch" : "") : std::string(e.what()) + "\n");
    return kDone;
  }
  print_error(misuse_text(e, grammar, args), console);
  return kUsage;
}

int exit_code(ErrorKind kind) {
  return kind == ErrorKind::Usage        ? kUsage
         : kind == ErrorKind::Unreadable ? kUnreadable
                                         : kUnavailable;
}

void check_verb(const Grammar& grammar, const std::vector<std::string>& args) {
  if (args.empty() || args[0].starts_with("-")) return;
  std::vector<std::string> verbs = grammar.verb_names();
  if (std::find(verbs.begin(), verbs.end(), args[0]) != verbs.end()) return;
  fail("usage", cat("there is no verb ", args[0]), nearest_hint(args[0], verbs, "verbs"));
}

int run_parsed(std::vector<std::string> args, Console& console) {
  Grammar grammar;
  if (!args.empty() && args[0] == "help") {
    args.erase(args.begin());
    args.push_back("--help");
  }
  check_verb(grammar, args);
  if (args.empty()) {
    console.err(grammar.app().help());
    return kUsage;
  }
  try {
    std::vector<std::string> reversed(args.rbegin(), args.rend());
    grammar.app().parse(reversed);
  } catch (const CLI::ParseError& e) {
    return parse_failed(e, grammar, args, console);
  }
  console.json = grammar.requests().json;
  Answer answer = grammar.chosen()(grammar.requests(), console);
  console.out(console.json ? runtime::to_json(answer.json, 2) + "\n" : answer.text);
  return answer.code;
}

}  // namespace

int run_command(const std::vector<std::string>& args, Console& console) {
  try {
    return run_parsed(args, console);
  } catch (const UserError& e) {
    print_error(e.what(), console);
    return exit_code(e.kind());
  } catch (const InternalError& e) {
    print_error(e.what(), console);
    return kInternal;
  } catch (const std::bad_alloc&) {
    print_error("[memory] there is not enough memory", console);
    return kUnavailable;
  } catch (const std::exception& e) {
    print_error(cat("[etch] ", e.what()), console);
    return kInternal;
  } catch (...) {
    print_error("[etch] an exception that is no std::exception", console);
    return kInternal;
  }
}

}  // namespace etch::cli
