#include "codegen/object.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ir/support/error.h"
#include "ir/support/text.h"

namespace etch::codegen {

namespace {

[[noreturn]] void damaged(const std::string& what) {
  throw UserError(cat("[kernel object] ", what), ErrorKind::Unreadable);
}

/// Bounds-checked reading of the file image.
struct Image {
  std::string_view bytes;

  template <class T>
  T at(uint64_t offset) const {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) damaged("cut short");
    T v;
    std::memcpy(&v, bytes.data() + offset, sizeof v);
    return v;
  }
  std::string_view range(uint64_t offset, uint64_t size) const {
    if (offset > bytes.size() || bytes.size() - offset < size) damaged("a section lies outside it");
    return bytes.substr(offset, size);
  }
  std::string_view text(uint64_t offset) const {
    if (offset >= bytes.size()) damaged("a name lies outside it");
    size_t end = bytes.find('\0', offset);
    if (end == std::string_view::npos) damaged("a name does not end");
    return bytes.substr(offset, end - offset);
  }
};

struct Section {
  Elf64_Shdr header;
  uint64_t place = 0;  // offset in the mapping, for loaded sections
  bool loaded = false;
};

size_t page_size() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
uint64_t round_up(uint64_t v, uint64_t to) { return (v + to - 1) / to * to; }

std::vector<Section> read_sections(const Image& image) {
  auto head = image.at<Elf64_Ehdr>(0);
  if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
      head.e_type != ET_REL || head.e_machine != EM_X86_64 ||
      head.e_shentsize != sizeof(Elf64_Shdr)) {
    damaged("not a relocatable x86-64 ELF file");
  }
  std::vector<Section> out;
  for (uint64_t i = 0; i < head.e_shnum; ++i) {
    uint64_t offset = head.e_shoff + i * sizeof(Elf64_Shdr);
    if (offset < head.e_shoff) damaged("cut short");
    out.push_back({image.at<Elf64_Shdr>(offset)});
  }
  return out;
}

/// Places sections with the given executability behind each other, from `at` on.
uint64_t place(std::vector<Section>& sections, bool executable, uint64_t at, const Image& image) {
  for (Section& s : sections) {
    const Elf64_Shdr& h = s.header;
    bool is_code = (h.sh_flags & SHF_EXECINSTR) != 0;
    if ((h.sh_flags & SHF_ALLOC) == 0 || is_code != executable || h.sh_size == 0) continue;
    // Unwind tables describe functions that never unwind.
    if (h.sh_type == SHT_X86_64_UNWIND || h.sh_type == SHT_NOTE) continue;
    if (h.sh_type != SHT_PROGBITS || (h.sh_flags & SHF_WRITE) != 0) damaged("it has writable data");
    image.range(h.sh_offset, h.sh_size);
    uint64_t align = h.sh_addralign == 0 ? 1 : h.sh_addralign;
    if (align > 4096 || (align & (align - 1)) != 0) damaged("bad alignment");
    s.place = round_up(at, align);
    s.loaded = true;
    at = s.place + h.sh_size;
  }
  return at;
}

struct Linker {
  const Image& image;
  std::vector<Section>& sections;
  std::byte* base;

  const Section& section(uint64_t i) const {
    if (i >= sections.size()) damaged("a section number is too large");
    return sections[i];
  }

  std::byte* address(const Elf64_Sym& s, std::string_view name) const {
    if (s.st_shndx == SHN_UNDEF) damaged(cat("it needs the outside symbol '", name, "'"));
    const Section& at = section(s.st_shndx);
    if (!at.loaded || s.st_value > at.header.sh_size)
      damaged(cat("symbol '", name, "' is nowhere"));
    return base + at.place + s.st_value;
  }

  void relocate(const Section& table) const {
    const Elf64_Shdr& h = table.header;
    const Section& target = section(h.sh_info);
    if (!target.loaded) return;
    const Elf64_Shdr& symbols = section(h.sh_link).header;
    const Elf64_Shdr& names = section(symbols.sh_link).header;
    for (uint64_t i = 0; i < h.sh_size / sizeof(Elf64_Rela); ++i) {
      auto r = image.at<Elf64_Rela>(h.sh_offset + i * sizeof(Elf64_Rela));
      uint64_t number = ELF64_R_SYM(r.r_info);
      if (number >= symbols.sh_size / sizeof(Elf64_Sym)) damaged("a symbol number is too large");
      auto s = image.at<Elf64_Sym>(symbols.sh_offset + number * sizeof(Elf64_Sym));
      std::byte* to = address(s, image.text(names.sh_offset + s.st_name));
      apply(r, target, to);
    }
  }

  void apply(const Elf64_Rela& r, const Section& target, std::byte* to) const {
    uint64_t type = ELF64_R_TYPE(r.r_info);
    uint64_t width = type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;
    uint64_t size = target.header.sh_size;
    if (r.r_offset > size || size - r.r_offset < width) damaged("a relocation lies outside");
    std::byte* at = base + target.place + r.r_offset;
    int64_t value = reinterpret_cast<int64_t>(to) + r.r_addend;
    if (type != R_X86_64_64) value -= reinterpret_cast<int64_t>(at);
    switch (type) {
      case R_X86_64_64:
      case R_X86_64_PC64:
        std::memcpy(at, &value, 8);
        return;
      case R_X86_64_PC32:
      case R_X86_64_PLT32: {
        auto narrow = static_cast<int32_t>(value);
        if (narrow != value) damaged("a relocation does not fit");
        std::memcpy(at, &narrow, 4);
        return;
      }
      default:
        damaged(cat("relocation of kind ", type));
    }
  }
};

}  // namespace

MappedObject::MappedObject(std::string_view elf) {
  Image image{elf};
  std::vector<Section> sections = read_sections(image);
  uint64_t data_end = place(sections, false, 0, image);
  uint64_t text_begin = round_up(data_end, page_size());
  uint64_t text_end = place(sections, true, text_begin, image);
  size_ = round_up(std::max<uint64_t>(text_end, 1), page_size());
  void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw UserError(cat("[kernel object] no memory for ", size_, " bytes of code"),
                    ErrorKind::Unavailable);
  }
  base_ = static_cast<std::byte*>(memory);
  try {
    for (const Section& s : sections) {
      if (s.loaded) std::memcpy(base_ + s.place, elf.data() + s.header.sh_offset, s.header.sh_size);
    }
    Linker linker{image, sections, base_};
    for (const Section& s : sections) {
      if (s.header.sh_type == SHT_RELA) linker.relocate(s);
      if (s.header.sh_type == SHT_REL) damaged("relocations without addends");
      if (s.header.sh_type != SHT_SYMTAB) continue;
      const Elf64_Shdr& names = linker.section(s.header.sh_link).header;
      for (uint64_t i = 1; i < s.header.sh_size / sizeof(Elf64_Sym); ++i) {
        auto symbol = image.at<Elf64_Sym>(s.header.sh_offset + i * sizeof(Elf64_Sym));
        std::string_view name = image.text(names.sh_offset + symbol.st_name);
        bool global = ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL;
        if (symbol.st_shndx == SHN_UNDEF) linker.address(symbol, name);
        if (!global || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
        symbols_.push_back({std::string(name), linker.address(symbol, name)});
      }
    }
    bool ok = text_begin == 0 || mprotect(base_, text_begin, PROT_READ) == 0;
    ok = ok && (size_ == text_begin ||
                mprotect(base_ + text_begin, size_ - text_begin, PROT_READ | PROT_EXEC) == 0);
    if (!ok) {
      throw UserError(cat("[kernel object] executable memory refused: ", std::strerror(errno)),
                      ErrorKind::Unavailable);
    }
  } catch (...) {
    munmap(base_, size_);
    throw;
  }
}

MappedObject::~MappedObject() { munmap(base_, size_); }

void* MappedObject::find(std::string_view symbol) const {
  for (const Symbol& s : symbols_) {
    if (s.name == symbol) return s.address;
  }
  return nullptr;
}

}  // namespace etch::codegen
