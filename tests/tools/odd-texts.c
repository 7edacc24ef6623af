/* SPDX-License-Identifier: MIT
 * odd-texts.c - prints the texts of odd-texts.h, one a line, as hex digits */
#include "odd-texts.h"

int
main(void)
{
	char s[ODD_SIZE];
	size_t k, n;
	uint64_t i;

	for (i = 0; i < ODD_TEXTS; i++) {
		n = odd_text(i, s);
		for (k = 0; k < n; k++)
			printf("%02x", (unsigned char)s[k]);
		putchar('\n');
	}
	return 0;
}
