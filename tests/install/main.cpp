// Compiled against an installed Tailrace only: nothing of the source tree is on its include path.
#include <tailrace/base/align.hpp>

int main() { return tailrace::align_up(3, 16) == 16 ? 0 : 1; }
