// A ring that somebody else has written over: header, state page, tables and event bytes, with the
// checksum, the stamps and the tail word set right again where the input says so. Observers,
// readers of every policy, the status and a publisher go over it: errors, never a crash, a hang or
// a look outside.
//
// Input: kind of stream, then pieces of damage until it ends. The journal's board is left alone:
// what asks for a sequence there may wait for an open claim, up to ten seconds, as documented.

#include "fuzz/fuzz_input.hpp"
#include "region_files.hpp"
#include "support/test_stream.hpp"

#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/bus/tail_word.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace {

using namespace tailrace;
using namespace tailrace::bus;

constexpr std::uint64_t kCapacityBytes = kMinCapacityBytes;
constexpr std::uint32_t kSlots = 3;
constexpr std::uint64_t kMostEvents = 3000;
constexpr int kMostPolls = 700;

StreamOptions options_of(Publishing publishing) {
    StreamOptions options = test::small_stream(publishing);
    options.publisher_slots = publishing == Publishing::single ? 1 : kSlots;
    options.subscriber_slots = kSlots;
    return options;
}

// One of the stream's files, mapped for whoever does the damage.
class RawFile {
public:
    explicit RawFile(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
        struct stat status {};
        fuzz::require(fd_ >= 0 && ::fstat(fd_, &status) == 0);
        size_bytes_ = static_cast<std::size_t>(status.st_size);
        void* const memory =
            ::mmap(nullptr, size_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        fuzz::require(memory != MAP_FAILED);
        bytes_ = {static_cast<std::byte*>(memory), size_bytes_};
        pristine_.assign(bytes_.begin(), bytes_.end());
    }
    RawFile(const RawFile&) = delete;
    RawFile& operator=(const RawFile&) = delete;
    ~RawFile() {
        ::munmap(bytes_.data(), size_bytes_);
        ::close(fd_);
    }

    void restore() {
        resize(size_bytes_);
        std::memcpy(bytes_.data(), pristine_.data(), size_bytes_);
    }
    // Cut off, or longer again.
    void resize(std::size_t size_bytes) const {
        fuzz::require(::ftruncate(fd_, static_cast<off_t>(size_bytes)) == 0);
    }
    // Bytes that fall outside fall away.
    void write(std::size_t offset, std::span<const std::byte> bytes) const {
        if (offset >= size_bytes_) return;
        std::memcpy(
            bytes_.data() + offset, bytes.data(), std::min(bytes.size(), size_bytes_ - offset));
    }
    template <typename T>
    void write_value(std::size_t offset, const T& value) const {
        write(offset, std::as_bytes(std::span<const T, 1>(&value, 1)));
    }
    template <typename T>
    [[nodiscard]] T read_value(std::size_t offset) const {
        T value{};
        std::memcpy(static_cast<void*>(&value), bytes_.data() + offset, sizeof(value));
        return value;
    }
    [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }

private:
    int fd_;
    std::size_t size_bytes_ = 0;
    std::span<std::byte> bytes_;
    std::vector<std::byte> pristine_;
};

// A stream with more than a lap behind it, and all its slots free: whoever sits in one of them was
// forged.
class Prey {
public:
    explicit Prey(Publishing publishing) : stream_(options_of(publishing)) {
        {
            Publisher publisher = stream_.publisher();
            const std::string payload(200, 'p');
            for (int number = 0; number < 500; ++number) {
                fuzz::require(publisher.try_publish(std::as_bytes(std::span(payload))) ==
                              PublishStatus::ok);
            }
        }
        control_ = std::make_unique<RawFile>(stream_.directory() + "/stream/control");
        events_ = std::make_unique<RawFile>(stream_.directory() + "/stream/events");
        salt_ = control_->read_value<std::uint64_t>(offsetof(StreamHeader, salt));
    }

    void restore() const {
        control_->restore();
        events_->restore();
    }
    void damage(fuzz::FuzzInput& input) const;
    [[nodiscard]] const test::TestStream& stream() const { return stream_; }

private:
    void damage_table(fuzz::FuzzInput& input) const;

    test::TestStream stream_;
    std::unique_ptr<RawFile> control_;
    std::unique_ptr<RawFile> events_;
    std::uint64_t salt_ = 0;
};

// Numbers near to what counts: small, near the tail, near a power of two, or any.
std::uint64_t take_number(fuzz::FuzzInput& input, std::uint64_t near) {
    const auto kind = input.take<std::uint8_t>();
    const auto small = static_cast<std::uint64_t>(input.take<std::int16_t>());
    switch (kind % 5) {
        case 0:
            return small;
        case 1:
            return near + small;
        case 2:
            return (std::uint64_t{1} << (kind / 5U % 64)) + small;
        case 3:
            return near + 16 * small;
        default:
            return input.take<std::uint64_t>();
    }
}

void Prey::damage_table(fuzz::FuzzInput& input) const {
    const auto which = input.take<std::uint8_t>();
    const auto word = input.take<std::uint8_t>();
    const std::uint64_t position =
        control_->read_value<std::uint64_t>(kStateOffset + offsetof(StreamState, write_limit));
    const std::uint64_t number = take_number(input, position);
    const auto publishers =
        control_->read_value<std::uint16_t>(offsetof(StreamHeader, publisher_slots));
    const std::size_t slot = which / 2U % kSlots;
    if (which % 2 == 0) {
        control_->write_value(kPublisherTableOffset + slot * sizeof(PublisherSlot) +
                                  word * sizeof(word) % sizeof(PublisherSlot),
                              number);
    } else {
        control_->write_value(subscriber_table_offset(publishers) + slot * sizeof(SubscriberSlot) +
                                  word * sizeof(word) % sizeof(SubscriberSlot),
                              number);
    }
}

void Prey::damage(fuzz::FuzzInput& input) const {
    while (!input.is_empty()) {
        const std::uint64_t near =
            control_->read_value<std::uint64_t>(kStateOffset + offsetof(StreamState, write_limit));
        switch (input.take<std::uint8_t>() % 8) {
            case 0: {  // the header, as it is
                const auto offset = input.take<std::uint16_t>() % sizeof(StreamHeader);
                control_->write(offset, input.take_bytes(input.take<std::uint8_t>() % 16));
                break;
            }
            case 1: {  // the header's checksum set right
                const auto header = control_->read_value<StreamHeader>(0);
                control_->write_value(offsetof(StreamHeader, header_checksum),
                                      header_checksum(header));
                break;
            }
            case 2: {  // a word of the state page, but for the journal's board
                const std::size_t offset =
                    input.take<std::uint16_t>() % sizeof(StreamState) / 4 * 4;
                const std::uint64_t number = take_number(input, near);
                if (offset + 8 <= offsetof(StreamState, journal) ||
                    offset >= offsetof(StreamState, journal) + sizeof(JournalBoard)) {
                    control_->write_value(kStateOffset + offset, number);
                }
                break;
            }
            case 3:
                damage_table(input);
                break;
            case 4: {  // event bytes
                const auto offset = input.take<std::uint32_t>() % kCapacityBytes;
                events_->write(offset, input.take_bytes(input.take<std::uint8_t>() % 64));
                break;
            }
            case 5: {  // an event that counts, of any size
                const std::uint64_t sequence = take_number(input, 500);
                const std::uint64_t position = take_number(input, near) % kCapacityBytes / 16 * 16;
                const EventHeader header{
                    sequence ^ salt_,
                    input.take<std::uint32_t>() >> (input.take<std::uint8_t>() % 32),
                    input.take<EventType>(),
                    input.take<std::uint8_t>(),
                    input.take<std::uint8_t>()};
                events_->write_value(position, header);
                break;
            }
            case 6: {  // the tail, at a place
                const Place place{take_number(input, 500), take_number(input, near)};
                control_->write_value(kStateOffset + offsetof(StreamState, tail), pack_tail(place));
                break;
            }
            default: {  // a file is cut off
                const RawFile& file = input.take<std::uint8_t>() % 2 == 0 ? *control_ : *events_;
                if (input.take<std::uint8_t>() % 8 == 0)
                    file.resize(input.take<std::uint32_t>() % file.size_bytes());
                return;  // what is gone can't be damaged
            }
        }
    }
}

// Touches every byte, so that a sanitizer sees where they are.
struct Reader {
    std::uint64_t sum = 0;
    std::uint64_t events = 0;

    void operator()(const Event& event) {
        ++events;
        for (const std::byte byte : event.payload())
            sum += std::to_integer<std::uint64_t>(byte);
        sum += event.publish_time_ns() + event.event_time_ns() + event.key() + event.type();
    }
};

void read(Subscriber& subscriber) {
    Reader reader;
    for (int poll = 0; poll < kMostPolls && reader.events < kMostEvents; ++poll) {
        const PollResult result = subscriber.poll(reader, 64);
        if (result.state == PollState::corrupt || result.state == PollState::closed) break;
    }
    static_cast<void>(subscriber.lag_events());
    if (subscriber.policy() != SlowPolicy::gate) return;
    for (int runs = 0; runs < 300; ++runs) {
        const Run run = subscriber.next_run(16 * 1024);
        reader.sum += std::accumulate(
            run.bytes.begin(),
            run.bytes.end(),
            std::uint64_t{0},
            [](std::uint64_t sum, std::byte b) { return sum + std::to_integer<std::uint64_t>(b); });
        if (!run.is_sound) break;
        subscriber.release(subscriber.mark());
    }
}

void attach_readers(const std::string& directory) {
    for (const SlowPolicy policy : {SlowPolicy::observe, SlowPolicy::gate, SlowPolicy::skip}) {
        for (const Start& start : {Start::oldest(), Start::newest()}) {
            SubscriberOptions options;
            options.policy = policy;
            options.start = start;
            options.directory = directory;
            auto subscriber = Subscriber::attach("stream", options);
            if (!subscriber) continue;
            read(*subscriber);
            static_cast<void>(subscriber->restart(Start::oldest()));
            read(*subscriber);
        }
    }
}

void attach_publisher(const std::string& directory) {
    PublisherOptions options;
    options.directory = directory;
    auto publisher = Publisher::attach("stream", options);
    if (!publisher) return;
    const std::string payload(100, 'x');
    for (int event = 0; event < 50; ++event) {
        if (publisher->try_publish(std::as_bytes(std::span(payload))) != PublishStatus::ok) break;
    }
    BatchClaim batch;
    if (publisher->try_claim_batch(batch, 3, 64) == PublishStatus::ok) {
        for (auto place = batch.next(); !place.empty(); place = batch.next())
            std::fill(place.begin(), place.end(), std::byte{'b'});
        publisher->commit(batch);
    }
    Claim claim;
    if (publisher->try_claim(claim, 5000) == PublishStatus::ok) publisher->abort(claim);
    static_cast<void>(publisher->holder());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    static const Prey single(Publishing::single);
    static const Prey multi(Publishing::multi);
    fuzz::FuzzInput input(data, size_bytes);
    const auto kind = input.take<std::uint8_t>();
    const Prey& prey = kind % 2 == 0 ? multi : single;
    prey.restore();
    prey.damage(input);

    const std::string& directory = prey.stream().directory();
    if (const auto region = Region::open("stream", RegionAccess::observe, directory)) {
        static_cast<void>(read_status(*region));
    }
    attach_readers(directory);
    if ((kind & 2U) != 0) {
        attach_publisher(directory);
        attach_readers(directory);
    }
    prey.restore();
    return 0;
}
