#include <tailrace/bus/huge_pages.hpp>

#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace tailrace::bus {

namespace {

constexpr const char* kShmemEnabled = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

// The word in brackets: "always within_size [advise] never".
std::string chosen_word(const std::string& line) {
    const std::size_t begin = line.find('[');
    const std::size_t end = line.find(']', begin == std::string::npos ? 0 : begin);
    if (begin == std::string::npos || end == std::string::npos) return {};
    return line.substr(begin + 1, end - begin - 1);
}

// The option huge= of the mount that holds this directory: "never" unless it says otherwise.
std::string huge_option_of(const std::string& directory) {
    std::ifstream mounts("/proc/self/mounts");
    std::string option = "never";
    std::size_t longest = 0;
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string device;
        std::string place;
        std::string type;
        std::string options;
        words >> device >> place >> type >> options;
        const bool is_above = directory == place || directory.starts_with(place + "/");
        if (!is_above || place.size() < longest) continue;
        longest = place.size();
        const std::size_t begin = options.find("huge=");
        option = begin == std::string::npos
                     ? "never"
                     : options.substr(begin + 5, options.find(',', begin) - begin - 5);
    }
    return option;
}

std::uint64_t page_size_of_mount(const std::string& directory) {
    struct statfs status {};
    if (::statfs(directory.c_str(), &status) != 0 || status.f_type != HUGETLBFS_MAGIC) return 0;
    return static_cast<std::uint64_t>(status.f_bsize);
}

}  // namespace

std::string_view page_kind_name(PageKind kind) noexcept {
    switch (kind) {
        case PageKind::small:
            return "4 KiB";
        case PageKind::transparent:
            return "4 KiB, joined to 2 MiB where possible";
        case PageKind::huge_2m:
            return "2 MiB";
        case PageKind::huge_1g:
            return "1 GiB";
    }
    return "unknown";
}

std::string transparent_pages_obstacle(std::uint64_t capacity_bytes, const std::string& directory) {
    if (capacity_bytes < page_size_bytes(PageKind::transparent))
        return "the ring is smaller than 2 MiB";
    struct statfs status {};
    if (::statfs(directory.c_str(), &status) != 0 || status.f_type != TMPFS_MAGIC)
        return directory + " is not a tmpfs";
    std::ifstream file(kShmemEnabled);
    std::string line;
    if (!std::getline(file, line)) return std::string(kShmemEnabled) + " can't be read";
    const std::string word = chosen_word(line);
    if (word == "deny")
        return "the kernel is told not to (" + std::string(kShmemEnabled) + ": deny)";
    if (word != "force" && huge_option_of(directory) == "never")
        return "the tmpfs of " + directory + " isn't mounted with huge=advise";
    return {};
}

Result<std::string> huge_page_directory(PageKind kind) {
    const bool is_2m = kind == PageKind::huge_2m;
    std::ifstream mounts("/proc/self/mounts");
    std::string refused;
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string device;
        std::string directory;
        std::string type;
        words >> device >> directory >> type;
        if (type != "hugetlbfs" || page_size_of_mount(directory) != page_size_bytes(kind)) continue;
        if (::access(directory.c_str(), W_OK | X_OK) == 0) return directory;
        refused = directory;
    }
    if (!refused.empty()) {
        return make_error(ErrorCode::no_permission,
                          "the huge pages mounted at " + refused + " may not be used by this user",
                          "chmod 1777 " + refused + " (as root), or --huge-pages auto");
    }
    return make_error(
        ErrorCode::unsupported,
        std::string("no huge pages of ") + (is_2m ? "2 MiB" : "1 GiB") + " are mounted",
        std::string("mkdir -p /dev/hugepages && mount -t hugetlbfs -o mode=1777,pagesize=") +
            (is_2m ? "2M" : "1G") + " none /dev/hugepages (as root), or --huge-pages auto");
}

}  // namespace tailrace::bus
