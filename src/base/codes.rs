//! A row per diagnostic. `awl help CODE` prints the row.

/// One kind of diagnostic.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `E` (error), `W` (warning), `N` (note, shown with -v) and four digits: 01xx syntax, 02xx names, 03xx types, 04xx probes,
    /// 05xx limits and kernel, 06xx run time, 07xx command line.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What it means and what to do, in a sentence or two.
    pub help: &'static str,
}

macro_rules! codes {
    ($($name:ident $id:literal $title:literal $help:literal;)*) => {
        $(#[doc = $title] pub static $name: Code = Code { id: $id, title: $title, help: $help };)*
        /// All rows, in the order of their ids.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    SYNTAX "E0101" "syntax error" "The text is not a script at this place; the message says what was found and what can stand there.";
    UNTERMINATED "E0102" "unterminated string or comment" "A string ends on the line on which it starts, a /* comment at the next */. Write a line break inside a string as \\n.";
    UNCLOSED "E0103" "bracket without its partner" "A bracket or the slash of a predicate was opened and not closed, or closed and not opened.";
    NUMBER "E0104" "wrong number" "Numbers are decimal, octal (0755), hexadecimal (0xff), binary (0b101) or scientific (2e6), with _ between digits and one suffix: ns us ms s m h d for durations, u l ll ul ull as in C.";
    ESCAPE "E0105" "wrong escape in a string" "A backslash in a string starts one of \\n \\t \\r \\\" \\\\, an octal number up to \\377, or \\x and one or two hexadecimal digits.";
    TOO_DEEP "E0106" "nested too deeply" "Brackets, blocks and operators may enclose one another some hundreds of times at most. Split the expression into several statements.";
    ASSIGN_TARGET "E0107" "not assignable" "Only $variables, @maps and @maps[key] can be assigned, incremented and decremented.";
    ORDER "E0108" "parts in the wrong order" "A script consists of C definitions, then at most one config block and imports, then probes, macros, functions and map declarations.";
    BAD_TOKEN "E0109" "meaningless characters" "These characters mean nothing in a script outside strings and comments.";
    TOO_MANY "E0110" "too many errors" "After many syntax errors the rest of the text is not read. Correct the first ones; others often follow from them.";
    TOO_LONG "E0111" "script too long" "A script has at most 1 GiB of text.";
    UNKNOWN_NAME "E0201" "unknown name" "A bare word is a builtin, a function or an enumerator of the kernel. `awl help` lists builtins and functions; constants of the ABI (AF_INET, ENOENT, O_CREAT) are known, other names that the kernel only #defines are not.";
    UNKNOWN_VARIABLE "E0202" "unknown variable" "A variable exists from its first assignment or its let to the end of the block that it is in. Declare it with let before the block to use it after the block.";
    UNKNOWN_MAP "E0203" "unknown map" "A map exists if something in the script assigns it. Its name may be misspelt.";
    UNKNOWN_FUNCTION "E0204" "unknown function" "There is no function of that name. `awl help` lists them.";
    UNKNOWN_TYPE "E0205" "unknown type" "The type is neither one of the language nor in the kernel's BTF.";
    UNKNOWN_FIELD "E0206" "unknown field" "The struct, tracepoint or function has no such field. `awl -lv PROBE` lists the fields of args.";
    REDECLARED "E0207" "declared twice" "A variable cannot be declared again while one of that name is in reach, and a map is declared once.";
    UNSUPPORTED "E0208" "not in this version" "The language has this, but this version of awl does not.";
    UNKNOWN_SETTING "E0209" "unknown setting" "`awl help config` lists the settings of the config block and their values.";
    UNUSED_VARIABLE "W0210" "unused variable" "The variable is assigned and never read.";
    NO_EFFECT "W0211" "no effect" "This is accepted, and changes nothing or is no longer needed.";
    PARAMETER "W0212" "parameter not given" "Positional parameters stand after the script on the command line: awl script.bt FIRST SECOND.";
    PARAMETER_MISSING "E0213" "parameter not given" "An attach point needs its parameter: awl script.bt FIRST SECOND.";
    C_LINE "E0214" "wrong C line" "Of C's preprocessor, #define of names, #undef, #if, #ifdef, #ifndef, #elif, #else, #endif and #include are understood.";
    MACRO "E0215" "wrong use of a macro" "A macro is chosen by the number and kinds of its arguments: $v takes a variable, @m a map, a plain name any expression. It sees the maps that are handed to it.";
    RECURSION "E0216" "endless expansion" "A macro or definition leads back to itself. Use a loop instead.";
    IMPORT "E0217" "import failed" "An import names a .bt file, a .h file or a folder of them, relative to the file that it stands in. A folder that everybody may write to is refused.";
    C_DEFINITION "E0218" "wrong C definition" "Structs, unions, enums and typedefs are understood as C writes them; types that they use come from the script, its headers or the kernel's BTF.";
    EXPANSION "E0219" "expansion too large" "Macros and definitions make too much of the script. Use a loop, or call them less often inside one another.";
    OPTION "E0220" "wrong named parameter" "Named parameters stand after -- on the command line, as --name=value; getopt() takes them. `awl script.bt -- --help` lists those of a script.";
    UNSTABLE "E0221" "unstable feature" "The feature may change or go. A setting named unstable_ and the feature's name allows it (enable), warns of it (warn) or refuses it (error).";
    UNSTABLE_WARNING "W0221" "unstable feature" "The feature may change or go. A setting named unstable_ and the feature's name allows it (enable), warns of it (warn) or refuses it (error).";
    UNASSIGNED "W0222" "variable never assigned" "The variable is read, and nothing gives it a value: it is 0, or empty.";
    HEADER "W0223" "header not as expected" "A header is looked for in the folders given with -I, in /usr/local/include, /usr/include and among those of the compiler; types and constants that it would define are not known without it.";
    TYPE_MISMATCH "E0301" "types do not fit" "The value has a type that cannot be used here. Types of variables and maps are fixed by their first use; integers and strings widen.";
    BAD_OPERAND "E0302" "operator does not fit" "The operator does not work on values of these types.";
    BAD_CAST "E0303" "impossible cast" "There is no meaning in turning the one type into the other.";
    BAD_ARGUMENT "E0304" "wrong argument" "The function does not take this argument. `awl help FUNCTION` shows what it takes.";
    ARGUMENT_COUNT "E0305" "wrong number of arguments" "`awl help FUNCTION` shows what the function takes.";
    MAP_KEY "E0306" "wrong use of a map's key" "A map either has keys everywhere or nowhere, and all its keys have the same number of parts.";
    AGGREGATION "E0307" "wrong use of an aggregation" "An aggregation such as count() is assigned to a map, `@m = count()`. The map can be printed, cleared and deleted; count, sum, min, max and avg can also be read as integers.";
    NOT_A_PLACE "E0308" "not assignable" "Only variables and maps can be assigned. Tuples, records and the kernel's memory cannot be changed.";
    NOT_CONSTANT "E0309" "not known at compile time" "Here a literal is wanted, or something that folds to one.";
    BAD_JUMP "E0310" "jump out of nothing" "break and continue work in loops only.";
    BAD_INDEX "E0311" "index out of bounds" "The array or tuple has fewer elements.";
    UNSAFE "E0312" "needs --unsafe" "This changes or endangers the system; --unsafe allows it.";
    BAD_SETTING "E0313" "wrong value of a setting" "`awl help config` lists the settings of the config block and their values.";
    NO_VALUE "E0314" "no value" "This yields nothing that could be used as a value.";
    DISCARDED "W0315" "value discarded" "The statement computes a value that nothing uses. `_ = value;` says that this is meant.";
    UNREACHABLE "W0316" "unreachable statement" "Nothing leads to this statement: the one before always leaves.";
    SIGN "W0317" "signs mixed" "A signed and an unsigned integer of 64 bits have no common type; both are taken as signed.";
    LOSSY "W0318" "value does not fit" "The value is changed to fit.";
    DEPRECATED "W0319" "old spelling" "This spelling is still accepted; there is a newer one.";
    ALWAYS "W0320" "always the same" "What is compared can never be equal, or greater, or less: its type has no such values. Often a type is unsigned that should be signed: cast it.";
    ODD_ARITHMETIC "W0321" "arithmetic that is probably not meant" "A division by zero gives what a division by 1 would, and a shift counts the low six bits of its right side alone.";
    MAP_GROWS "W0322" "map only grows" "The map has an entry for each thread that was seen, and is full after max_map_keys of them: then updates are lost. Delete an entry when its value has been used, or declare the map as lruhash.";
    OUTLIVES "W0323" "variable used after its block" "A variable that is first assigned inside a block ends with it. Older scripts use such variables after the block; that works here, and the variable is 0 or empty where the block was not run. Declare it with let before the block.";
    MEMBER_LEFT_OUT "W0324" "member left out of an object" "An object is loaded by other kernels than the one it was made on. Of a member that this one lacks no type is known, so that code for it cannot be made: declare what you need of the struct under a name of your own (struct task_struct___old { long state; };) and cast to that, or make the object on a kernel that has the member, or with a snapshot of one (awl world FILE, --world FILE).";
    NEEDS_PROCESS "E0325" "needs a process" "Stacks are unwound by tables that are made of the binaries of a process: -p PID, -c COMMAND or --dwarf-pid PID names it.";
    ADDRESS_SHOWN "W0326" "address instead of text" "A pointer to characters prints as the address that it is. str() reads the text there: printf(\"%s\", str(args.filename)).";
    TOO_MANY_MAPS "E0329" "too many maps" "A script has at most 1000 maps; each is an object of the kernel, and a program can use 64 of them.";
    RETURN "E0340" "wrong return" "A function with a result returns a value of that type on every way through it; one without returns nothing.";
    PROBE_TYPE "E0401" "unknown probe type" "`awl help probes` lists the probe types.";
    PROBE_SYNTAX "E0402" "wrong attach point" "`awl help PROBETYPE` shows how its attach points are written.";
    PROBE_MISSING "E0403" "nothing to attach to" "`awl -l PATTERN` lists what there is. The setting missing_probes (warn, ignore) lets a script run without it.";
    PROBE_UNREADABLE "E0404" "cannot be looked up" "What there is to attach to could not be read from the system.";
    PROBE_UNSUPPORTED "E0405" "not possible here" "This kernel or this version of awl does not have the probe type.";
    PROBE_AMBIGUOUS "E0406" "ambiguous attach point" "Name the module: fentry:MODULE:FUNCTION.";
    PROBE_BUILTIN "E0407" "not in this probe" "The builtin needs what probes of this type do not offer. `awl help BUILTIN` says where it works.";
    NO_PROBES "E0408" "no probes" "A script needs at least one probe.";
    TOO_MANY_PROBES "E0409" "too many probes" "The settings max_probes and max_bpf_progs raise the limits.";
    PROBE_MISSING_WARNING "W0410" "nothing to attach to" "The probe is left out, as the setting missing_probes allows.";
    PROBE_ABSENT "N0411" "left out" "An optional attach point, or an alternative to another (optional A, A || B), does not exist here. It is left out.";
    PROBE_NAME "E0412" "name given twice" "Each test and each benchmark has a name of its own, which --probe-filter picks it by.";
    PROBE_DANGEROUS "W0413" "dangerous place" "Maps and buffers of probes take the kernel's locks, so that a probe on the locks themselves can meet itself. The kernel skips the inner run.";
    STACK "E0501" "stack exhausted" "The kernel gives a program 512 bytes of stack for a whole chain of calls. Values that are needed at the same time share it.";
    SCRATCH "E0502" "scratch memory exhausted" "Values too big for the stack lie in per-CPU memory, of which the kernel gives 32 KiB at a time.";
    CALL_DEPTH "E0503" "calls nest too deep" "The kernel lets functions call each other 8 deep.";
    PROGRAM_LENGTH "E0504" "program too long" "The kernel takes a million instructions at most, and jumps over at most 32767.";
    KERNEL_LACKS "E0505" "not on this kernel" "The kernel that the script is compiled for cannot do this; a newer one can. `awl --info` shows what it can do.";
    REFUSED "E0510" "program refused by the kernel" "The kernel's verifier would not load a program of the script. The message gives its reason at the place in the script that it speaks of; -v shows its whole log. A script that awl accepts should load: please report it.";
    NO_MAP "E0511" "map cannot be made" "The kernel would not make a map. Maps with fewer entries (max_map_keys, or let @m = hash(n)) need less memory.";
    NO_ATTACH "E0512" "cannot attach" "The kernel would not attach a program. If the probe may be missing, set missing_probes to warn or ignore.";
    SYSTEM "E0513" "system call failed" "Something that every run needs could not be had from the system; the message says what.";
    NOT_ATTACHED "W0512" "not attached" "A probe is missing here, and missing_probes says that this is no error.";
    SCRIPT_ERROR "E0601" "error said by the script" "The script called errorf(), or an assertion failed.";
    SCRIPT_WARNING "W0601" "warning said by the script" "The script called warnf().";
    UPDATES_LOST "W0602" "updates lost" "A map was full, so that updates were lost: raise max_map_keys, or declare the map with more entries. Or the kernel was changing the same part of the map on that CPU when a probe fired inside it, which happens to probes on the scheduler and the allocator.";
    NO_SCRATCH "W0603" "no scratch memory" "All slots of scratch memory of a CPU were in use when a program started, which then did nothing. It happens when programs interrupt each other.";
    DIV_BY_ZERO "W0604" "division by zero" "Something was divided by zero; 1 was used as the result.";
    NO_SUCH_KEY "W0605" "no such key" "delete() was called for a key that is not in the map. Use its result to be silent about it.";
    STACK_LOST "W0606" "stack lost" "A stack could not be walked, or there was no room to store it; it is empty then.";
    SKIPPED "W0607" "runs skipped" "The kernel did not run a program because it, or another, was running on that CPU already.";
    NO_SUCH_TASK "W0609" "no such task" "comm(pid) was asked for a process that is not there, or that has ended: it is N/A then.";
    OUT_OF_BOUNDS "W0610" "index out of bounds" "An array or string was read beyond its end, by an index that is known only at run time; the result is 0.";
    READ_FAILED "W0611" "read failed" "Memory of the kernel or of a process could not be read: a wrong address, or a page that is not there; what is read is 0. Told with -k.";
    NO_ELEMENT "W0612" "no such element" "A map was read at a key that it does not have; the value is 0 or empty. Told with -k.";
    ROUNDS_LOST "W0613" "loop ended early" "The kernel does at most 8388608 rounds of a range, or of a while; the rest was left out. Put one loop into another.";
    STACK_CUT "W0614" "stack cut short" "A stack that is unwound by tables ends early: the process is none that -p, -c or --dwarf-pid names, or is so new, or has mapped code so recently, that its tables were not there yet; the code has no unwind information (made at run time, or built without .eh_frame), or some that awl does not follow; or the stack could not be read.";
    ACTION "W0608" "action failed" "Something that the script asked user space to do did not work.";
    USAGE "E0701" "wrong use" "The command line asks for something that is not possible; awl --help shows what is.";
    PRIVILEGE "E0702" "missing rights" "Tracing needs root, or CAP_BPF and CAP_PERFMON, and a kernel that is not locked down for confidentiality.";
    NO_FILE "E0703" "file cannot be used" "A file that the command line names cannot be read or written.";
    NO_OUTPUT "E0704" "output lost" "Output could not be written; what was printed after that is lost.";
    SETTING "E0705" "wrong setting" "A variable of the environment that starts with BPFTRACE_ or AWL_ sets something to what it cannot be.";
    SETTING_ODD "W0705" "odd setting" "A variable of the environment sets something that has no effect or is called differently now.";
}
