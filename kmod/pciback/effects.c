// SPDX-License-Identifier: GPL-2.0-only
/*
 * Performs what confspace asks for. Nothing here decides; the hardware is reached
 * through the PCI core where the core keeps state of its own. Under dev->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "pciback.h"
#include "trace.h"

/* PM 3.2.4: set where the registers survive D3hot. */
#define NO_SOFT_RESET	0x08
#define PMCSR		4

/* Only ever on: a guest's mapping must not meet a device that does not decode (XSA-120, 126). */
static void decode_on(struct pb_dev *dev, u16 bits)
{
	u16 cmd;

	if (pci_read_config_word(dev->pdev, PCI_COMMAND, &cmd) || cmd == 0xffff)
		return;
	if (dev->pdev->is_virtfn)
		bits &= ~PCI_COMMAND_MEMORY;
	if ((cmd & bits) != bits)
		pci_write_config_word(dev->pdev, PCI_COMMAND, cmd | bits);
}

static u16 view_of_command(const struct pb_dev *dev)
{
	return dev->cs->b[PCI_COMMAND].shadow | dev->cs->b[PCI_COMMAND + 1].shadow << 8;
}

static void follow_mastering(struct pb_dev *dev)
{
	if (!dev->dstate && view_of_command(dev) & PCI_COMMAND_MASTER)
		pci_set_master(dev->pdev);
	else
		pci_clear_master(dev->pdev);
}

static void follow_intx(struct pb_dev *dev)
{
	bool off = dev->cs->interrupt_control && view_of_command(dev) & PCI_COMMAND_INTX_DISABLE;

	/* Under MSI the core keeps the line off. */
	if (dev->irq && !pci_dev_msi_enabled(dev->pdev))
		pci_intx(dev->pdev, !dev->dstate && !off);
}

void pb_follow_view(struct pb_dev *dev)
{
	follow_intx(dev);
	follow_mastering(dev);
}

/*
 * The guest's mappings stay live, and in D1 to D3 memory accesses are unsupported
 * requests (XSA-120, 126): the hardware stays in D0. What else a state means is done:
 * no mastering, no interrupt; and where registers do not survive D3hot the way back
 * is that very transition, done and verified by pb_dev_flr().
 */
static void power(struct pb_dev *dev, u32 state)
{
	u8 was = dev->dstate;

	dev->dstate = state;
	if (!state && was == 3 && !(dev->snapshot[dev->cs->pm + PMCSR] & NO_SOFT_RESET)) {
		dev->flr_wanted = true;
		dev->wake_wanted = true;
		return;
	}
	pb_follow_view(dev);
}

static void hw_write(struct pb_dev *dev, const struct cs_effect *e)
{
	switch (e->size) {
	case 1:
		pci_write_config_byte(dev->pdev, e->off, e->value);
		break;
	case 2:
		pci_write_config_word(dev->pdev, e->off, e->value);
		break;
	case 4:
		pci_write_config_dword(dev->pdev, e->off, e->value);
		break;
	}
}

/* Counted always, logged once for each register of an attachment. */
static void denied(struct pb_dev *dev, const struct cs_effect *e)
{
	u32 *count = &dev->denied[e->off / 4];

	trace_pciback_denied(dev->pdev, e->off, e->size);
	if (*count != U32_MAX)
		WRITE_ONCE(*count, *count + 1);
	if (*count == 1 && __ratelimit(&dev->denied_log))
		dev_info(&dev->pdev->dev,
			 "guest's write to register %#x (%u bytes, %s) denied: %s\n", e->off,
			 e->size, cs_region_name(dev->cs, e->off),
			 cs_region_reason(dev->cs, e->off));
}

void pb_effects(struct pb_dev *dev, const struct cs_effects *fx)
{
	struct pci_dev *pdev = dev->pdev;
	unsigned int i;

	for (i = 0; i < fx->nr; i++) {
		const struct cs_effect *e = &fx->e[i];

		switch (e->type) {
		case CS_EFF_HW_WRITE:
			hw_write(dev, e);
			break;
		case CS_EFF_DECODE_ON:
			decode_on(dev, e->value);
			break;
		case CS_EFF_BUS_MASTER:
			follow_mastering(dev);
			break;
		case CS_EFF_MWI:
			if (!e->value)
				pci_clear_mwi(pdev);
			else if (pci_set_mwi(pdev))
				dev_dbg(&pdev->dev, "no memory write and invalidate\n");
			break;
		case CS_EFF_INTX:
			follow_intx(dev);
			break;
		case CS_EFF_POWER:
			power(dev, e->value);
			break;
		case CS_EFF_FLR:
			/* More than waking up. */
			dev->flr_wanted = true;
			dev->wake_wanted = false;
			break;
		case CS_EFF_READRQ:
			/* Never below the payload, which some devices do not survive. */
			pcie_set_readrq(pdev, max_t(int, e->value, pcie_get_mps(pdev)));
			break;
		case CS_EFF_VPD:
			pb_vpd_read(dev, e->value);
			break;
		case CS_EFF_DENIED:
			denied(dev, e);
			break;
		}
	}
}
