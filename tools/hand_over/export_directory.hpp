// ExportDirectory: a directory of exported files, and its manifest. Whoever is killed here leaves
// it so that the next one to open it has every event of the manifest in the files exactly once.
//
// A part is handed over in this order:
//
//   1  its files, under names that begin with a dot, whole and flushed
//   2  the manifest that has the part, as `.tailrace-manifest`, flushed, and the directory
//   3  the files get their names
//   4  `.tailrace-manifest` becomes `manifest.json`
//
// Killed before 2 is done, nothing of the part counts, and its files are deleted. Killed behind it,
// the next one goes on with 3. So the manifest never names a file that isn't there, and a file that
// has its name is never taken back or written again: also who loads whatever appears in the
// directory, without a look at the manifest, sees each event once.
//
// One process at a time, by a lock of the kernel. One thread. Law: docs/decisions/0060.
#pragma once

#include "hand_over/manifest.hpp"
#include "hand_over/part_file.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tailrace::tool {

class ExportDirectory {
public:
    static constexpr std::string_view kManifestName = "manifest.json";

    // Makes it when it isn't there; finishes or clears away what a run before left. Errors: busy
    // when somebody else exports into it, already_exists when it holds something else, those of
    // parse_manifest, and those of the file system.
    [[nodiscard]] static Result<ExportDirectory> open(const std::string& path);

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    // Empty: nothing was ever exported to it.
    [[nodiscard]] const std::optional<Manifest>& manifest() const noexcept { return manifest_; }

    // A manifest without parts. Requires: none is there yet.
    [[nodiscard]] Result<void> begin(Manifest manifest);
    // For rows of that table, in the part at hand.
    [[nodiscard]] Result<std::unique_ptr<PartFile>> new_file(const std::string& table);
    // Hands over. Requires: the part goes on where the manifest ends, and its files are finished.
    [[nodiscard]] Result<void> commit(ExportedPart part);
    // Deletes what was begun, unless it counts already.
    void drop_unfinished() noexcept;

private:
    ExportDirectory() = default;

    [[nodiscard]] Result<void> take(const std::string& path);
    [[nodiscard]] Result<void> recover();
    [[nodiscard]] Result<void> check_is_free() const;
    [[nodiscard]] Result<void> check_goes_on(const Manifest& next) const;
    [[nodiscard]] Error in_the_way(const ExportedFile& file) const;
    [[nodiscard]] Result<std::optional<Manifest>> read_manifest(std::string_view name) const;
    [[nodiscard]] Result<void> write_next(const Manifest& manifest);
    [[nodiscard]] Result<void> publish(const Manifest& next);
    [[nodiscard]] Result<void> name_file(const ExportedFile& file);
    [[nodiscard]] Result<void> flush_names() const;
    [[nodiscard]] Error failed(int os_errno, std::string_view what) const;

    std::string path_;
    UniqueFd fd_;  // locked
    std::optional<Manifest> manifest_;
    bool is_promised_ = false;  // step 2 is done or was begun, and 4 isn't
};

}  // namespace tailrace::tool
