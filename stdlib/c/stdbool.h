#define bool _Bool
#define __bool_true_false_are_defined 1
