// Loops over the rows for the code that tl2cgen writes: that code changes its row, and expects -1 where a value is missing.
#include <math.h>
#include <string.h>
#include "header.h"

void margins(const float *values, long rows, int features, float *result) {
    for (long row = 0; row < rows; ++row) {
        union Entry data[features];
        memcpy(data, values + row * features, features * sizeof(float));
        for (int column = 0; column < features; ++column)
            if (isnan(data[column].fvalue)) data[column].missing = -1;
        result[row] = 0;
        predict(data, 1, result + row);
    }
}
