// Shared libraries with models: foreign code, kept from ending the command where that can be done.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "etch/model.h"

namespace etch::cli {

/// The models of a plug-in, which stays open until the process ends. Raises UserError (Unreadable)
/// for files that are no shared library, are cut short, or hold no models.
std::span<const ModelEntry> open_plugin(const std::string& path);

/// Runs `make` and checks what it gives: inputs have names of their own and are defined, and there
/// is a function. Whatever the code of `where` throws, now and when the function is called, becomes
/// a UserError.
Model make_model(const std::function<Model()>& make, const std::string& where);

}  // namespace etch::cli
