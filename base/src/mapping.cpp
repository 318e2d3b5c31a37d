#include <tailrace/base/mapping.hpp>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>

namespace tailrace {

namespace {

namespace ipc = boost::interprocess;

// What mapped_region wants to know of a file: ours is open already.
class OpenFile {
public:
    OpenFile(int fd, MapAccess access) noexcept : fd_(fd), access_(access) {}
    [[nodiscard]] ipc::mapping_handle_t get_mapping_handle() const noexcept {
        return ipc::ipcdetail::mapping_handle_from_file_handle(fd_);
    }
    [[nodiscard]] ipc::mode_t get_mode() const noexcept {
        return access_ == MapAccess::read_only ? ipc::read_only : ipc::read_write;
    }

private:
    int fd_;
    MapAccess access_;
};

// Address space that nobody else can take while the two halves are put into it. The halves replace
// it page by page (MAP_FIXED); what is left of it is unmapped here, never the halves.
class AddressRange {
public:
    AddressRange(std::uint64_t size_bytes, std::uint64_t alignment_bytes) noexcept
        : size_bytes_(size_bytes),
          address_(::mmap(nullptr,
                          size_bytes + alignment_bytes,
                          PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                          -1,
                          0)) {
        if (!is_reserved() || alignment_bytes == 0) return;
        // What stands before and behind the aligned part is given back.
        std::byte* const begin = data();
        const std::uint64_t before_bytes =
            (alignment_bytes - std::bit_cast<std::uintptr_t>(begin) % alignment_bytes) %
            alignment_bytes;
        if (before_bytes != 0) ::munmap(begin, before_bytes);
        address_ = begin + before_bytes;
        if (before_bytes != alignment_bytes)
            ::munmap(data() + size_bytes, alignment_bytes - before_bytes);
    }
    AddressRange(const AddressRange&) = delete;
    AddressRange& operator=(const AddressRange&) = delete;
    ~AddressRange() {
        if (is_reserved() && taken_bytes_ < size_bytes_) {
            ::munmap(data() + taken_bytes_, size_bytes_ - taken_bytes_);
        }
    }
    [[nodiscard]] bool is_reserved() const noexcept { return address_ != MAP_FAILED; }
    [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(address_); }
    // The first bytes belong to a mapped_region now, which unmaps them itself.
    void take(std::uint64_t bytes) noexcept { taken_bytes_ += bytes; }

private:
    std::uint64_t size_bytes_;
    void* address_;
    std::uint64_t taken_bytes_ = 0;
};

// Both calls are wishes: without them pages are small, or are touched later.
void populate_hugely(std::byte* begin, std::uint64_t size_bytes, MapAccess access) noexcept {
    static_cast<void>(::madvise(begin, size_bytes, MADV_HUGEPAGE));
    static_cast<void>(
        ::madvise(begin,
                  size_bytes,
                  access == MapAccess::read_write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ));
}

Result<void> check_length(int fd, std::uint64_t size_bytes, const std::string& name) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return os_error(errno, "cannot examine '" + name + "'");
    if (static_cast<std::uint64_t>(status.st_size) < size_bytes) {
        return make_error(ErrorCode::truncated,
                          "'" + name + "' is " + std::to_string(status.st_size) +
                              " bytes long, not " + std::to_string(size_bytes));
    }
    return {};
}

}  // namespace

struct Mapping::Regions {
    ipc::mapped_region first;
    ipc::mapped_region second;
};

Mapping::Mapping() noexcept = default;
Mapping::Mapping(Mapping&&) noexcept = default;
Mapping& Mapping::operator=(Mapping&&) noexcept = default;
Mapping::~Mapping() = default;

Result<Mapping> Mapping::map(int fd,
                             std::uint64_t size_bytes,
                             MapAccess access,
                             const std::string& name) {
    if (auto checked = check_length(fd, size_bytes, name); !checked) return checked.error();
    const OpenFile file(fd, access);
    Mapping mapping;
    mapping.regions_ = std::make_unique<Regions>();
    try {
        mapping.regions_->first =
            ipc::mapped_region(file, file.get_mode(), 0, size_bytes, nullptr, MAP_POPULATE);
    } catch (const ipc::interprocess_exception& failure) {
        return os_error(failure.get_native_error(), "cannot map '" + name + "'");
    }
    mapping.data_ = static_cast<std::byte*>(mapping.regions_->first.get_address());
    mapping.size_bytes_ = size_bytes;
    return mapping;
}

Result<Mapping> Mapping::map_twice(int fd,
                                   std::uint64_t size_bytes,
                                   MapAccess access,
                                   const std::string& name,
                                   std::uint64_t alignment_bytes) {
    if (auto checked = check_length(fd, size_bytes, name); !checked) return checked.error();
    TAILRACE_CHECK(size_bytes % static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) == 0);
    AddressRange range(2 * size_bytes, alignment_bytes);
    if (!range.is_reserved()) {
        return os_error(errno, "cannot reserve address space for '" + name + "'");
    }
    const OpenFile file(fd, access);
    Mapping mapping;
    mapping.regions_ = std::make_unique<Regions>();
    // Huge pages have to be asked for before the first page is there.
    const int options = alignment_bytes == 0 ? MAP_FIXED | MAP_POPULATE : MAP_FIXED;
    try {
        mapping.regions_->first =
            ipc::mapped_region(file, file.get_mode(), 0, size_bytes, range.data(), options);
        range.take(size_bytes);
        if (alignment_bytes != 0) populate_hugely(range.data(), size_bytes, access);
        mapping.regions_->second = ipc::mapped_region(
            file, file.get_mode(), 0, size_bytes, range.data() + size_bytes, options);
        range.take(size_bytes);
        if (alignment_bytes != 0) populate_hugely(range.data() + size_bytes, size_bytes, access);
    } catch (const ipc::interprocess_exception& failure) {
        return os_error(failure.get_native_error(), "cannot map '" + name + "' twice");
    }
    mapping.data_ = static_cast<std::byte*>(mapping.regions_->first.get_address());
    mapping.size_bytes_ = size_bytes;
    return mapping;
}

}  // namespace tailrace
