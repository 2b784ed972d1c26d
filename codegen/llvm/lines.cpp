// Source lines of machine code, from the debug information of its file.
#include "codegen/llvm/lines.h"

#include <llvm/DebugInfo/Symbolize/Symbolize.h>

namespace etch::codegen {

bool locate(const char* object, uint64_t offset, std::string_view not_in, CodeLine& out) {
  llvm::symbolize::LLVMSymbolizer::Options options;
  options.Demangle = false;
  llvm::symbolize::LLVMSymbolizer symbolizer(options);
  llvm::Expected<llvm::DIInliningInfo> frames = symbolizer.symbolizeInlinedCode(
      std::string(object), {offset, llvm::object::SectionedAddress::UndefSection});
  if (!frames) {
    llvm::consumeError(frames.takeError());
    return false;
  }
  for (uint32_t i = 0; i < frames->getNumberOfFrames(); ++i) {  // innermost first
    const llvm::DILineInfo& frame = frames->getFrame(i);
    if (frame.Line == 0 || frame.FileName == llvm::DILineInfo::BadString) return false;
    if (std::string_view(frame.FileName).ends_with(not_in)) continue;
    out = {frame.FileName, frame.Line};
    return true;
  }
  return false;
}

}  // namespace etch::codegen
