/* Prints the outputs of a packed model for images, byte after byte in a file, as the bits of floats:  outputs MODEL IMAGES */
#include "onebit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    OnebitModel *model = count == 3 ? onebit_load(arguments[1], 2) : NULL;
    FILE *file = model != NULL ? fopen(arguments[2], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "%s\n", onebit_error());
        return 2;
    }
    size_t shape[3];
    onebit_input(model, shape);
    size_t bytes = shape[0] * shape[1] * shape[2], outputs = onebit_outputs(model);
    uint8_t *image = malloc(bytes);
    float *y = malloc(outputs * sizeof *y);
    while (image != NULL && y != NULL && fread(image, 1, bytes, file) == bytes) {
        if (onebit_run(model, image, bytes, y) < 0) {
            fprintf(stderr, "%s\n", onebit_error());
            return 2;
        }
        for (size_t i = 0; i < outputs; i++) {
            uint32_t bits;
            memcpy(&bits, &y[i], sizeof bits);
            printf("%08" PRIx32 "\n", bits);
        }
    }
    fclose(file);
    free(y);
    free(image);
    onebit_free(model);
    return 0;
}
