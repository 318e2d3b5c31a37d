#include <tailrace/base/wiped_cell.hpp>

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <new>
#include <vector>

namespace tailrace {

namespace {

struct Page {
    std::byte* begin;
    std::size_t size_bytes;
    bool wiped_by_kernel;
};

// Which cells are free lies in common memory: in a child the parent's cells are still taken.
struct Pool {
    std::mutex mutex;
    std::vector<Page> pages;
    std::vector<void*> free;
};

Pool& pool() {
    static auto* one = new Pool;  // never destroyed: handles may outlive static destruction
    return *one;
}

void hold_cells() {
    pool().mutex.lock();
}
void let_go_of_cells() {
    pool().mutex.unlock();
}
void wipe_cells_in_child() {
    for (const Page& page : pool().pages) {
        if (!page.wiped_by_kernel) std::memset(page.begin, 0, page.size_bytes);
    }
    pool().mutex.unlock();
}

// Requires: the lock.
bool add_page(Pool& cells) {
    const auto size_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    // Before the page is there, so that nothing is left of a failure.
    cells.pages.reserve(cells.pages.size() + 1);
    cells.free.reserve((cells.pages.size() + 1) * (size_bytes / kWipedCellBytes));
    void* const memory =
        ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    auto* const begin = static_cast<std::byte*>(memory);
    const bool wiped = ::madvise(memory, size_bytes, MADV_WIPEONFORK) == 0;
    cells.pages.push_back({begin, size_bytes, wiped});
    for (std::size_t end = size_bytes; end != 0; end -= kWipedCellBytes)
        cells.free.push_back(begin + end - kWipedCellBytes);
    return true;
}

}  // namespace

void* take_wiped_cell() noexcept {
    static std::once_flag registered;
    std::call_once(registered,
                   [] { ::pthread_atfork(hold_cells, let_go_of_cells, wipe_cells_in_child); });
    const std::lock_guard guard(pool().mutex);
    try {
        if (pool().free.empty() && !add_page(pool())) return nullptr;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    void* const cell = pool().free.back();
    pool().free.pop_back();
    return cell;
}

void give_back_wiped_cell(void* cell) noexcept {
    std::memset(cell, 0, kWipedCellBytes);
    const std::lock_guard guard(pool().mutex);
    pool().free.push_back(cell);  // room for all cells was reserved
}

}  // namespace tailrace
