#include "top/top_model.hpp"

#include <algorithm>
#include <utility>

namespace tailrace::tool {

namespace {

using observe::ReaderHealth;

// Worse ones first.
bool is_worse(const ReaderHealth& one, const ReaderHealth& other) noexcept {
    const auto urgency = observe::urgency_of(one.state);
    const auto others = observe::urgency_of(other.state);
    if (urgency != others) return urgency > others;
    return one.picture.lag.events > other.picture.lag.events;
}

observe::Urgency urgency_in(const TopRow& row) noexcept {
    if (!row.problem.empty()) return observe::Urgency::act;
    const ReaderHealth* const worst = TopPicture::worst_of(row);
    return worst == nullptr ? observe::Urgency::none : observe::urgency_of(worst->state);
}

std::uint64_t lag_in(const TopRow& row) noexcept {
    if (row.look == nullptr) return 0;
    std::uint64_t most = 0;
    for (const ReaderHealth& reader : row.look->health.readers)
        most = std::max(most, reader.picture.lag.events);
    return most;
}

// Rows of streams. What comes first by the order goes first, and else the name decides.
bool goes_before(const TopRow& one, const TopRow& other, TopSort sort) noexcept {
    if (sort == TopSort::trouble && urgency_in(one) != urgency_in(other))
        return urgency_in(one) > urgency_in(other);
    if (sort == TopSort::rate && one.rate() != other.rate()) return one.rate() > other.rate();
    if (sort == TopSort::lag && lag_in(one) != lag_in(other)) return lag_in(one) > lag_in(other);
    return one.stream < other.stream;
}

}  // namespace

const char* sort_name(TopSort sort) noexcept {
    switch (sort) {
        case TopSort::trouble:
            return "trouble";
        case TopSort::rate:
            return "rate";
        case TopSort::lag:
            return "lag";
        case TopSort::name:
        default:
            return "name";
    }
}

TopSort sort_after(TopSort sort) noexcept {
    return sort == TopSort::name ? TopSort::trouble
                                 : static_cast<TopSort>(static_cast<int>(sort) + 1);
}

const ReaderHealth* TopPicture::worst_of(const TopRow& row) noexcept {
    if (row.health != nullptr) return row.health;
    if (row.look == nullptr) return nullptr;
    const std::vector<ReaderHealth>& readers = row.look->health.readers;
    const auto worst = std::min_element(readers.begin(), readers.end(), is_worse);
    return worst == readers.end() ? nullptr : &*worst;
}

double TopPicture::events_per_s() const noexcept {
    double sum = 0;
    for (const TopRow& row : rows) {
        if (row.is_stream()) sum += row.rate();
    }
    return sum;
}

std::size_t TopPicture::readers() const noexcept {
    return static_cast<std::size_t>(std::count_if(
        rows.begin(), rows.end(), [](const TopRow& row) { return !row.is_stream(); }));
}

void sort_rows(TopPicture& picture, TopSort sort) {
    std::vector<std::vector<TopRow>> streams;
    for (TopRow& row : picture.rows) {
        if (row.is_stream()) streams.emplace_back();
        streams.back().push_back(std::move(row));
    }
    std::stable_sort(streams.begin(), streams.end(), [sort](const auto& one, const auto& other) {
        return goes_before(one.front(), other.front(), sort);
    });
    picture.rows.clear();
    for (std::vector<TopRow>& rows : streams) {
        std::stable_sort(rows.begin() + 1, rows.end(), [sort](const TopRow& a, const TopRow& b) {
            if (sort == TopSort::rate && a.rate() != b.rate()) return a.rate() > b.rate();
            if (sort == TopSort::name) return a.reader < b.reader;
            return is_worse(*a.health, *b.health);
        });
        for (TopRow& row : rows)
            picture.rows.push_back(std::move(row));
    }
}

const TopModel::Track& TopModel::follow(const std::string& key,
                                        Sequence sequence,
                                        std::uint64_t bytes,
                                        std::uint64_t now_ns) {
    Track& track = tracks_[key];
    // A stream that was made anew, or a cursor that was set back, has no rate.
    const bool is_known = track.at_ns != 0 && sequence >= track.sequence && bytes >= track.bytes &&
                          now_ns > track.at_ns;
    if (is_known) {
        const double seconds = static_cast<double>(now_ns - track.at_ns) / 1e9;
        track.rates.push_back(static_cast<double>(sequence - track.sequence) / seconds);
        track.bytes_per_s = static_cast<double>(bytes - track.bytes) / seconds;
    } else {
        track.rates.push_back(0);
        track.bytes_per_s = 0;
    }
    if (track.rates.size() > kHistory) track.rates.pop_front();
    track.sequence = sequence;
    track.bytes = bytes;
    track.at_ns = now_ns;
    track.is_there = true;
    return track;
}

std::unique_ptr<TopPicture> TopModel::take(observe::Look look, std::uint64_t now_ns) {
    auto picture = std::make_unique<TopPicture>();
    picture->look = std::move(look);
    for (auto& [key, track] : tracks_)
        track.is_there = false;
    for (const observe::StreamLook& stream : picture->look.streams) {
        const bus::StreamStatus& status = stream.picture.status;
        const std::string& name = stream.picture.stream;
        const Track& published = follow(name, status.end_sequence, status.bytes, now_ns);
        TopRow row;
        row.stream = name;
        row.rates = published.rates;
        row.bytes_per_s = published.bytes_per_s;
        row.look = &stream;
        picture->rows.push_back(std::move(row));
        std::map<std::string, int> namesakes;
        for (const ReaderHealth& reader : stream.health.readers) {
            // Two readers may have one name: each goes by its process as well.
            std::string key = name + '\n' + reader.reader + '\n' + std::to_string(reader.pid);
            key += '\n' + std::to_string(namesakes[key]++);
            const Track& read = follow(key, reader.picture.sequence, 0, now_ns);
            TopRow under;
            under.stream = name;
            under.reader = reader.reader;
            under.rates = read.rates;
            under.look = &stream;
            under.health = &reader;
            picture->rows.push_back(std::move(under));
        }
    }
    for (const observe::StreamProblem& problem : picture->look.problems) {
        TopRow row;
        row.stream = problem.stream;
        row.problem = problem.problem;
        picture->rows.push_back(std::move(row));
    }
    std::erase_if(tracks_, [](const auto& entry) { return !entry.second.is_there; });
    return picture;
}

}  // namespace tailrace::tool
