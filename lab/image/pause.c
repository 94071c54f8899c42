/*
 * The first process of a process namespace: waits, and reaps the orphans that the kernel hands to it.
 * Kubernetes runs it as every pod's sandbox ("pause"), the lab as the first process of every node.
 */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	sigset_t awaited;
	sigemptyset(&awaited);
	sigaddset(&awaited, SIGCHLD);
	sigaddset(&awaited, SIGTERM);
	sigaddset(&awaited, SIGINT);
	/* Blocked, so that sigwait() takes them one by one: the first process has no default actions to rely on. */
	sigprocmask(SIG_BLOCK, &awaited, NULL);
	for (;;) {
		int signal = 0;
		sigwait(&awaited, &signal);
		if (signal != SIGCHLD)
			return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
