#include "schema_file.hpp"

#include "aside_file.hpp"
#include "posix_files.hpp"
#include "segment_directory.hpp"

#include <tailrace/journal/kept_types.hpp>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

namespace tailrace::journal {

namespace {

Error in_journal(const std::string& directory, Error error) {
    if (error.code == ErrorCode::incompatible) {
        error.message = "the journal in '" + directory + "' has other types: " + error.message;
        error.hint = "cat " + schema_path(directory) + " shows them; " + error.hint;
    }
    return error;
}

struct MergedTypes {
    schema::StreamSchema types;  // what the journal has, and the others
    bool are_new;                // the journal doesn't have all of them
};

Result<MergedTypes> merge_with_kept(const std::string& directory,
                                    const schema::StreamSchema& others) {
    auto types = load_types(directory);
    if (!types) return types.error();
    auto are_new = types->merge(others);
    if (!are_new) return in_journal(directory, are_new.error());
    return MergedTypes{std::move(*types), *are_new};
}

}  // namespace

std::string schema_path(const std::string& directory) {
    return directory + "/SCHEMA";
}

Result<schema::StreamSchema> read_schema_file(FileStore& files, const std::string& directory) {
    const std::string path = schema_path(directory);
    const IoOutcome opened = files.open(path, {});
    if (opened.os_errno == ENOENT) return schema::StreamSchema();
    if (!opened.ok()) return file_trouble("open", path, opened.os_errno);
    const StoredFile file(files, static_cast<FileId>(opened.value));
    const IoOutcome size = files.size_bytes(file.id());
    if (!size.ok()) return file_trouble("look at", path, size.os_errno);
    // One byte more than there may be tells that there is too much.
    std::string text(std::min(size.value, schema::kMostSchemaBytes + 1), '\0');
    const IoOutcome read = files.read(file.id(), 0, std::as_writable_bytes(std::span(text)));
    if (!read.ok()) return file_trouble("read", path, read.os_errno);
    text.resize(read.value);
    return schema::parse_schema(text, path);
}

Result<void> write_schema_file(FileStore& files,
                               const std::string& directory,
                               const schema::StreamSchema& types) {
    const std::string path = schema_path(directory);
    const std::string text = types.text();
    AsideFile made(files, path + ".new");
    IoOutcome outcome = made.create();
    if (outcome.ok()) outcome = files.write(made.id(), 0, std::as_bytes(std::span(text)));
    if (outcome.ok()) outcome = made.flush();
    if (outcome.ok()) outcome = made.take_name(path, directory);
    if (outcome.ok()) return {};
    return file_trouble("write", path, outcome.os_errno);
}

Result<schema::StreamSchema> load_types(const std::string& directory) {
    return read_schema_file(posix_files(), directory);
}

Result<void> check_types(const std::string& directory, const schema::StreamSchema& types) {
    if (types.is_empty()) return {};
    if (auto merged = merge_with_kept(directory, types); !merged) return merged.error();
    return {};
}

Result<void> keep_types(const std::string& directory, const schema::StreamSchema& types) {
    if (types.is_empty()) return {};
    auto merged = merge_with_kept(directory, types);
    if (!merged) return merged.error();
    if (!merged->are_new) return {};
    return write_schema_file(posix_files(), directory, merged->types);
}

}  // namespace tailrace::journal
