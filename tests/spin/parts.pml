/* What the models share: forbidden outcomes by name, and steps at which a process may die. */

#define NONE 255

/* pan names the expression that failed, so each outcome is a word of its own. */
#define FORBID(outcome, condition)   \
    if                               \
    :: (condition) -> assert(!outcome) \
    :: else                          \
    fi

/* One step of a process that may be killed between any two of its steps: instead of the step it
   dies, while deaths are left. Requires the local `is_mortal`, the label `dies`, the global
   `deaths`. */
#define STEP(...)                                               \
    atomic {                                                    \
        if                                                      \
        :: __VA_ARGS__                                          \
        :: is_mortal && deaths > 0 -> deaths--; goto dies       \
        fi                                                      \
    }
