// IdentityPlace: the publishers with a name of a stream, in its ring and in its journal's ledger,
// for whoever looks after them: list, set, remove. One thread; cold.
//
// The ring says how far each has come, the ledger how far a power cut would leave it. A change is
// made in both, under the ledger's lock, so that the recorder's keeper doesn't put back what was
// removed.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/identity.hpp>
#include <tailrace/bus/region.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::stream {

struct PublisherName {
    bus::IdentityStatus status;
    std::optional<OwnSequence> kept_own;  // on the disk; none: nothing yet
};

class IdentityPlace {
public:
    [[nodiscard]] static Result<IdentityPlace> of_stream(const std::string& stream,
                                                         bus::RegionAccess access,
                                                         const std::string& bus_directory = {});

    // Sorted by name. Errors: those of journal::read_ledger; then the ring's are in `known`.
    [[nodiscard]] Result<void> list(std::vector<PublisherName>& known) const;

    // Each is durable when it returns, if the stream has a journal that knows of any. Errors: those
    // of bus::set_identity and bus::remove_identity, and of the ledger. Requires: of_stream was
    // given RegionAccess::publish.
    [[nodiscard]] Result<void> set(const std::string& name, OwnSequence last_own);
    [[nodiscard]] Result<void> remove(const std::string& name);

private:
    IdentityPlace() = default;

    // `last_own`: none removes it.
    [[nodiscard]] Result<void> change(const std::string& name, std::optional<OwnSequence> last_own);
    [[nodiscard]] Result<void> change_ring(const std::string& name,
                                           std::optional<OwnSequence> last_own) const;

    std::shared_ptr<bus::Region> region_;
    std::string directory_;  // of the journal; empty: none
    std::array<std::uint64_t, 2> journal_id_{};
};

}  // namespace tailrace::stream
