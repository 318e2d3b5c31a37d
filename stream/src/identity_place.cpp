#include "journal_of_stream.hpp"

#include <tailrace/journal/ledger.hpp>
#include <tailrace/stream/identity_place.hpp>

#include <algorithm>
#include <utility>

namespace tailrace::stream {

Result<IdentityPlace> IdentityPlace::of_stream(const std::string& stream,
                                               bus::RegionAccess access,
                                               const std::string& bus_directory) {
    auto region = bus::Region::open(stream, access, bus_directory);
    if (!region) return region.error();
    IdentityPlace place;
    place.region_ = std::move(*region);
    place.directory_ = journal_directory_of(*place.region_);
    place.journal_id_ = recorded_journal_id(*place.region_);
    return place;
}

Result<void> IdentityPlace::list(std::vector<PublisherName>& known) const {
    known.clear();
    for (bus::IdentityStatus& status : bus::read_identities(*region_))
        known.push_back({std::move(status), std::nullopt});
    std::sort(known.begin(), known.end(), [](const auto& a, const auto& b) {
        return a.status.name < b.status.name;
    });
    auto with_journal = has_journal_in(directory_, journal_id_, region_->name());
    if (!with_journal) return with_journal.error();
    if (!*with_journal) return {};
    auto ledger = journal::read_ledger(directory_, journal_id_);
    if (!ledger) return ledger.error();
    if (!ledger->identities) return {};
    for (PublisherName& name : known) {
        for (const journal::LedgerIdentity& kept : ledger->identities->known)
            if (kept.id == name.status.id) name.kept_own = kept.last_own;
    }
    return {};
}

Result<void> IdentityPlace::set(const std::string& name, OwnSequence last_own) {
    return change(name, last_own);
}

Result<void> IdentityPlace::remove(const std::string& name) {
    return change(name, std::nullopt);
}

Result<void> IdentityPlace::change_ring(const std::string& name,
                                        std::optional<OwnSequence> last_own) const {
    return last_own ? bus::set_identity(*region_, name, *last_own)
                    : bus::remove_identity(*region_, name);
}

// A ledger that says nothing of publishers says that the log has none; the recorder writes what the
// ring has. One that is damaged is read anew from the log by whoever records next.
Result<void> IdentityPlace::change(const std::string& name, std::optional<OwnSequence> last_own) {
    if (auto checked = bus::check_identity_name(name); !checked) return checked;
    auto with_journal = has_journal_in(directory_, journal_id_, region_->name());
    if (!with_journal) return with_journal.error();
    if (!*with_journal) return change_ring(name, last_own);
    auto lock = journal::LedgerLock::lock(directory_);
    if (!lock) return lock.error();
    auto ledger = lock->read(journal_id_);
    if (!ledger && ledger.error().code != ErrorCode::corrupt) return ledger.error();
    if (auto changed = change_ring(name, last_own); !changed) return changed;
    if (!ledger || !ledger->identities) return {};
    auto& known = ledger->identities->known;
    const std::uint64_t id = bus::identity_id(name);
    std::erase_if(known, [id](const auto& identity) { return identity.id == id; });
    if (last_own && *last_own != 0) known.push_back({name, id, *last_own});
    return lock->write(*ledger);
}

}  // namespace tailrace::stream
