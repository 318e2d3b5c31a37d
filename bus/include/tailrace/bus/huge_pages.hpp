// HugePages: what `events` is to be made of, and why it couldn't be.
//
// Small pages cost a translation for each 4 KiB of a lap; rings of hundreds of megabytes run faster
// on huge ones. Transparent ones are the kernel's own doing in tmpfs, where its settings allow it;
// explicit ones come from a hugetlbfs mount and have to be reserved by the administrator. Law:
// docs/ring_layout.md, "Huge pages". Any thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/layout.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace::bus {

enum class HugePages : std::uint8_t {
    off,        // small pages
    automatic,  // transparent huge pages where the kernel allows them, else small ones
    size_2m,    // explicit ones of this size, or an error
    size_1g,
};

[[nodiscard]] constexpr std::uint64_t page_size_bytes(PageKind kind) noexcept {
    constexpr std::uint64_t kSmall = 4096;
    if (kind == PageKind::small) return kSmall;
    return kind == PageKind::huge_1g ? std::uint64_t{1} << 30U : std::uint64_t{1} << 21U;
}

// "4 KiB", "4 KiB, joined to 2 MiB where possible", "2 MiB", "1 GiB".
[[nodiscard]] std::string_view page_kind_name(PageKind kind) noexcept;

// Why a ring of this size in this directory can't have transparent huge pages; empty: it can.
[[nodiscard]] std::string transparent_pages_obstacle(std::uint64_t capacity_bytes,
                                                     const std::string& directory);

// A directory of a hugetlbfs with pages of this kind where this process may make files. The error
// names the command that mounts one.
[[nodiscard]] Result<std::string> huge_page_directory(PageKind kind);

}  // namespace tailrace::bus
