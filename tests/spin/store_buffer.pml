/* Memory as x86-64 has it: each process's plain stores wait in a buffer of its own, first in, first
   out, and reach memory at any later time; its own loads look into the buffer first (no process
   here loads what it has just stored). A locked operation, and a barrier, empties the buffer. */

#define BUFFERED 3

/* memory[] is what everybody sees. A buffered store is variable * 16 + value. */
byte memory[VARIABLES];
chan buffer[PROCESSES] = [BUFFERED] of { byte };

#define STORE(process, variable, value) buffer[process]!((variable) * 16 + (value))
#define LOAD(variable) memory[variable]
#define IS_DRAINED(process) (len(buffer[process]) == 0)

/* The hardware: moves one store of anybody's buffer to memory. It ends when nobody will store. */
active proctype store_buffers() {
    byte store, process;
end:
    do
    :: atomic { buffer[0]?store -> memory[store / 16] = store % 16; store = 0 }
    :: atomic { buffer[1]?store -> memory[store / 16] = store % 16; store = 0 }
#if PROCESSES > 2
    :: atomic { buffer[2]?store -> memory[store / 16] = store % 16; store = 0 }
#endif
#if PROCESSES > 3
    :: atomic { buffer[3]?store -> memory[store / 16] = store % 16; store = 0 }
#endif
    od
}
