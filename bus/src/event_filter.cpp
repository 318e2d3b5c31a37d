#include <tailrace/bus/event_filter.hpp>

namespace tailrace::bus {

namespace {

template <typename T>
void insert_sorted(std::vector<T>& values, T value) {
    const auto place = std::lower_bound(values.begin(), values.end(), value);
    if (place == values.end() || *place != value) values.insert(place, value);
}

}  // namespace

EventFilter& EventFilter::add_type(EventType type) {
    constexpr std::size_t kTypes = std::size_t{1} << 16U;
    constexpr unsigned kWordBits = 64;
    type_bits_.resize(kTypes / kWordBits);
    type_bits_[type / kWordBits] |= std::uint64_t{1} << (type % kWordBits);
    insert_sorted(types_, type);
    return *this;
}

EventFilter& EventFilter::add_key(std::uint64_t key) {
    insert_sorted(keys_, key);
    return *this;
}

EventFilter& EventFilter::set_partition(std::uint64_t modulus, std::uint64_t remainder) noexcept {
    modulus_ = modulus;
    remainder_ = remainder;
    return *this;
}

}  // namespace tailrace::bus
