// A ring of 16 GiB: offsets, positions and sizes that 32 bits don't hold.

#include "support/temporary_directory.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <catch2/catch.hpp>

#include <sys/mount.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace large_ring_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

#if defined(TAILRACE_ADDRESS_SANITIZER) || defined(TAILRACE_THREAD_SANITIZER)
constexpr bool kIsSanitized = true;  // shadow memory comes on top
#else
constexpr bool kIsSanitized = false;
#endif

std::uint64_t available_memory_bytes() {
    std::ifstream file("/proc/meminfo");
    for (std::string label; file >> label;) {
        std::uint64_t kibibytes = 0;
        if (label == "MemAvailable:" && file >> kibibytes) return kibibytes * 1024;
    }
    return 0;
}

// A tmpfs of its own that joins pages: small ones take a minute to reserve.
class HugeTmpfs {
public:
    explicit HugeTmpfs(const std::string& directory)
        : directory_(directory),
          is_mounted_(::mount("none", directory.c_str(), "tmpfs", 0, "huge=advise,size=17g") == 0) {
    }
    HugeTmpfs(const HugeTmpfs&) = delete;
    HugeTmpfs& operator=(const HugeTmpfs&) = delete;
    ~HugeTmpfs() {
        if (is_mounted_) ::umount2(directory_.c_str(), MNT_DETACH);
    }
    [[nodiscard]] bool is_mounted() const noexcept { return is_mounted_; }

private:
    std::string directory_;
    bool is_mounted_;
};

// An event whose first and last eight bytes are its number.
bool publish(Publisher& publisher, std::uint64_t event, std::uint32_t size_bytes) {
    Claim claim;
    if (publisher.try_claim(claim, size_bytes) != PublishStatus::ok) return false;
    std::memcpy(claim.payload.data(), &event, sizeof(event));
    std::memcpy(claim.payload.data() + size_bytes - sizeof(event), &event, sizeof(event));
    publisher.commit(claim);
    return true;
}

bool read(Subscriber& reader, std::uint64_t event, std::uint32_t size_bytes) {
    bool is_right = false;
    const auto check = [&](const Event& found) {
        std::uint64_t last = 0;
        if (found.payload().size() != size_bytes) return;
        std::memcpy(&last, found.payload().data() + size_bytes - sizeof(last), sizeof(last));
        is_right = found.as<std::uint64_t>() == event && last == event;
    };
    return reader.poll(check, 1).events == 1 && is_right;
}

}  // namespace

TEST_CASE("large ring: 16 GiB, with events whose offsets and positions need more than 32 bits",
          "[bus][large]") {
    const Watchdog watchdog("large ring: 16 GiB", 280);
    constexpr std::uint64_t kNeededBytes = 20 * kGiB;  // others use memory, too
    const TemporaryDirectory place;
    const HugeTmpfs tmpfs(place.path());
    if (std::getenv("TAILRACE_LARGE_RINGS") == nullptr &&
        (kIsSanitized || !tmpfs.is_mounted() || available_memory_bytes() < kNeededBytes)) {
        WARN("SKIPPED: " << (kIsSanitized         ? "sanitizers need memory of their own"
                             : tmpfs.is_mounted() ? "less than 20 GiB of memory are free"
                                                  : "a tmpfs can't be mounted here")
                         << "; TAILRACE_LARGE_RINGS=1 makes a ring of 16 GiB all the same");
        return;
    }
    StreamOptions options;
    options.capacity_bytes = 16 * kGiB;
    options.max_payload_bytes = kGiB;
    auto made = Region::create("stream", options, place.path());
    if (!made && made.error().code == ErrorCode::no_space) {
        WARN("SKIPPED: " + made.error().message);
        return;
    }
    REQUIRE(made);
    auto region = Region::open("stream", RegionAccess::publish, place.path());
    REQUIRE(region);
    auto publisher = Publisher::attach(*region);
    SubscriberOptions reading;
    reading.start = Start::oldest();
    auto reader = Subscriber::attach(*region, reading);
    REQUIRE(publisher);
    REQUIRE(reader);
    // Not quite a power of two, so that events lie across the end.
    constexpr std::uint32_t kPayloadBytes = 1000U << 20U;
    for (std::uint64_t event = 0; event < 50; ++event) {
        CAPTURE(event);
        REQUIRE(publish(*publisher, event, kPayloadBytes));
        REQUIRE(read(*reader, event, kPayloadBytes));
    }
    CHECK((*region)->tail().position > 48 * kGiB);
    CHECK((*region)->tail().sequence == 50);
}

}  // namespace large_ring_test
